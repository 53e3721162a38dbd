"""A block of files: read, mask, normalise. What a worker process does."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayescannon.data import continuum_pixels
from bayescannon.errors import UserError, ignored
from bayescannon.recipe import PixelRecipe
from bayescannon.spectra import chip_of, pixel_index_of_size, place, read_spectrum
from bayescannon.spectra.bits import PixelBit, StarFlag, bits
from bayescannon.spectra.continuum import design, divide, solve_continuum
from bayescannon.spectra.readers import RawSpectrum, read_visits

FILES_PER_BLOCK = 64
ABOUT: dict[str, type] = {"sdss_id": np.int64, "gaia_id": np.int64}
ABOUT |= {"ra": float, "dec": float, "field": object, "telescope": object, "rv": np.float32}
"""What headers say of stars, and how it is kept; words are objects until they are stored."""


class Block(NamedTuple):
    """Stars of one block of files.

    flux and ivar are float32 (star, pixel); columns hold what else is known of each star, (star,)
    or (star, term); bad lists (file, reason) of what could not be read; files says how many were
    tried.
    """

    flux: np.ndarray
    ivar: np.ndarray
    columns: dict[str, np.ndarray]
    bad: list[tuple[str, str]]
    files: int

    def take(self, rows: slice | np.ndarray) -> "Block":
        """Select stars."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return self._replace(flux=self.flux[rows], ivar=self.ivar[rows], columns=columns)


def join(blocks: Sequence[Block]) -> Block:
    """Put the stars of several blocks into one."""
    flux, ivar = (np.concatenate([getattr(b, name) for b in blocks]) for name in ("flux", "ivar"))
    names = blocks[0].columns
    columns = {name: np.concatenate([b.columns[name] for b in blocks]) for name in names}
    bad = [reason for block in blocks for reason in block.bad]
    return Block(flux, ivar, columns, bad, sum(block.files for block in blocks))


def read_block(
    paths: Sequence[Path | None],
    pixels: PixelRecipe,
    resample: bool = False,
    visits: bool = False,
) -> Block:
    """Read at most `FILES_PER_BLOCK` files as the recipe's `[pixels]` says.

    None holds the place of a file that is not wanted: a star's numbers depend, in the last bit,
    on its place in the block, and a resumed run must not change them. With `visits` a file gives
    one row a visit.
    """
    bad_pixel = bits(PixelBit, pixels.bad_bits, "pixels.bad_bits")
    read: list[dict[int, RawSpectrum]] = [{}]
    source: list[str] = []
    bad: list[tuple[str, str]] = []
    for place_in_block, path in enumerate(paths):
        if path is None:
            continue
        try:
            if visits:
                rows = read_visits(path, bad_pixel, resample)
            else:
                rows = [read_spectrum(path, bad_pixel, resample)]
        except UserError as error:
            bad.append((str(path), str(error)))
            continue
        source += [str(path)] * len(rows)
        for row in rows:
            if visits and len(read[-1]) == FILES_PER_BLOCK:
                read.append({})
            read[-1][len(read[-1]) if visits else place_in_block] = row
    parts = [_normalised(stars, pixels) for stars in read]
    flux, ivar, coefficients = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    stars = [star for part in read for star in part.values()]
    flags = np.array([star.star_flags for star in stars], np.int64)
    columns = {
        "star_id": np.array([star.star_id for star in stars], object),
        "source": np.array(source, object),
        "checksum": np.array([star.checksum for star in stars], object),
        "snr": np.array([star.snr for star in stars], np.float32),
        "star_flags": flags,
        "bad_star": (flags & bits(StarFlag, pixels.bad_star_flags, "pixels.bad_star_flags")) != 0,
        **{name: np.array([s.about[name] for s in stars], kind) for name, kind in ABOUT.items()},
        "continuum": coefficients,
    }
    return Block(flux, ivar, columns, bad, sum(path is not None for path in paths))


def continuum_mask(pixels: PixelRecipe) -> np.ndarray:
    """Mark the recipe's continuum pixels on the recipe's grid, bool (pixel,).

    Raises
    ------
    UserError
        If the recipe names neither a list that ships nor a file of pixel positions.
    """
    return np.isin(pixel_index_of_size(pixels.grid), continuum_pixels(pixels.continuum))


def _normalised(stars: dict[int, RawSpectrum], pixels: PixelRecipe):
    """Put a block on the grid and divide by the continuum; padded, so that it compiles once."""
    index = pixel_index_of_size(pixels.grid)
    chip, degree = chip_of(index), pixels.continuum_degree
    flux, ivar = np.zeros((2, FILES_PER_BLOCK, index.size))
    for row, star in stars.items():
        flux[row], ivar[row] = place(star.index, index, star.flux, star.ivar)
    ivar = _measured(flux, ivar, pixels.max_error)
    coefficients = solve_continuum(flux, ivar, chip, continuum_mask(pixels), degree).coefficients
    made = divide(flux, ivar, coefficients, design(chip, degree))
    rows = list(stars)
    flux, ivar, coefficients = (np.asarray(a)[rows] for a in (*made, coefficients))
    if pixels.error_floor > 0:
        # quoted errors of bright stars are smaller than what the reduction can hold
        ivar = np.minimum(
            ivar, 1.0 / np.square(pixels.error_floor * np.maximum(np.abs(flux), 1e-3))
        )
    return flux.astype(np.float32), ivar.astype(np.float32), coefficients


def _measured(flux: np.ndarray, ivar: np.ndarray, max_error: float) -> np.ndarray:
    """Give ivar, set to 0 where the error is many times the flux of the star's best pixels."""
    tenth = flux.shape[1] // 10
    best = np.argpartition(-ivar, tenth, axis=1)[:, :tenth]
    size, weight = (np.take_along_axis(a, best, axis=1) for a in (np.abs(flux), ivar))
    with ignored(message="All-NaN slice"):
        level = np.nanmedian(np.where(weight > 0, size, np.nan), axis=1, keepdims=True)
    with np.errstate(over="ignore"):
        return np.where(ivar * (max_error * level) ** 2 >= 1, ivar, 0.0)
