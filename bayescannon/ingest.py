"""From files of spectra to `Spectra` that a model can use: read, mask, normalise."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from astropy.table import Table

from .continuum import normalise
from .data import continuum_pixels
from .errors import UserError
from .recipe import PixelRecipe
from .spectra import (
    RawSpectrum,
    Spectra,
    apogee_wavelength,
    chip_of,
    pixel_index_of_size,
    read_spectrum,
)
from .spectra.bits import PixelBit

FILES_PER_BLOCK = 64


class Ingested(NamedTuple):
    """Spectra that could be read, and a table (file, reason) of files that could not."""

    spectra: Spectra
    quarantine: Table


def ingest_files(
    paths: Sequence[str | Path],
    pixels: PixelRecipe | None = None,
    progress: Callable[[int], None] | None = None,
) -> Ingested:
    """Read apStar or aspcapStar files and normalise them.

    Parameters
    ----------
    paths : sequence of path
        One file a star. Of two files with one star id the later gets `#2` appended.
    pixels : PixelRecipe, optional
        Grid, bad bits, error floor and continuum; a recipe's or model's `pixels`.
    progress : callable, optional
        Called with the number of files done.

    Returns
    -------
    Ingested

    Raises
    ------
    UserError
        If the only file given is bad, or none of several is good.
    """
    pixels = pixels or PixelRecipe()
    paths = [Path(path) for path in paths]
    index = pixel_index_of_size(pixels.grid)
    raw: list[RawSpectrum] = []
    bad: list[tuple[str, str]] = []
    flux, ivar = [], []
    for start in range(0, len(paths), FILES_PER_BLOCK):
        block = []
        for path in paths[start : start + FILES_PER_BLOCK]:
            try:
                block.append(read_spectrum(path, _bits(pixels)))
            except UserError as error:
                if len(paths) == 1:
                    raise
                bad.append((str(path), str(error)))
        if block:
            for store, values in zip((flux, ivar), _normalised(block, index, pixels), strict=True):
                store.append(values)
        raw += block
        if progress is not None:
            progress(min(start + FILES_PER_BLOCK, len(paths)))
    if not raw:
        raise UserError(
            f"none of {len(paths)} files could be read (first: {bad[0][1] if bad else '-'})"
        )
    spectra = Spectra(
        apogee_wavelength(pixels.grid),
        np.concatenate(flux),
        np.concatenate(ivar),
        _unique([one.star_id for one in raw]),
    )
    quarantine = Table(rows=bad, names=("file", "reason"), dtype=(str, str))
    return Ingested(spectra, quarantine)


def _bits(pixels: PixelRecipe) -> int:
    try:
        return int(sum(PixelBit[name] for name in pixels.bad_bits))
    except KeyError as error:
        known = ", ".join(bit.name or "" for bit in PixelBit)
        raise UserError(
            f"key 'pixels.bad_bits' names {error}, but the bits are: {known}"
        ) from error


def _normalised(
    block: list[RawSpectrum], index: np.ndarray, pixels: PixelRecipe
) -> tuple[np.ndarray, np.ndarray]:
    """Put a block on the grid and divide by the continuum; padded, so that it compiles once."""
    flux, ivar = np.zeros((2, FILES_PER_BLOCK, index.size))
    for row, one in enumerate(block):
        _, ours, theirs = np.intersect1d(index, one.index, return_indices=True)
        flux[row, ours], ivar[row, ours] = one.flux[theirs], one.ivar[theirs]
    mask = np.isin(index, continuum_pixels())
    good_flux, good_ivar = normalise(
        jnp.asarray(flux), jnp.asarray(ivar), chip_of(index), mask, pixels.continuum_degree
    )
    flux, ivar = (np.asarray(a)[: len(block)] for a in (good_flux, good_ivar))
    # quoted errors of bright stars are smaller than what the reduction can hold
    ceiling = (pixels.error_floor * np.maximum(np.abs(flux), 1e-3)) ** -2.0
    return flux, np.minimum(ivar, ceiling) if pixels.error_floor > 0 else ivar


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return out
