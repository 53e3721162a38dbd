"""The data of a spectra store: opened and checked; axes, names, units as `Spectra` has them."""

from pathlib import Path

import numpy as np
import xarray as xr
import zarr

from bayescannon.errors import UserError, reason
from bayescannon.plain import plain
from bayescannon.units import in_angstrom

SINGLE = np.finfo(np.float32)


def open_dataset(path: Path) -> xr.Dataset:
    """Open a spectra store without reading its fluxes.

    Raises
    ------
    UserError
        If there is no such store, chunks of it are lost, or it holds something else.
    """
    if not path.is_dir():
        raise UserError(f"{path}: no such spectra store; make one with `bayescannon ingest`")
    try:
        # consolidated metadata, where there are some, are what the last commit of an ingest saw
        consolidated = "consolidated_metadata" in (path / "zarr.json").read_text()
        data = xr.open_zarr(path, chunks=None, consolidated=consolidated)
        # not numpy's new strings: np.unique of a few hundred of them ends the process
        check_unique(plain_words(data.star_id.values))
        data[["flux", "ivar"]]  # a KeyError where this is something else
        _check_chunks(path, consolidated)
        return data
    except (KeyError, AttributeError, ValueError, FileNotFoundError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a spectra store ({reason(error)})") from error


def _check_chunks(path: Path, consolidated: bool) -> None:
    """Zarr reads a chunk that is lost as a chunk of nothing: that must not go unseen."""
    group = zarr.open_group(path, mode="r", use_consolidated=consolidated)
    for name in ("flux", "ivar"):
        array = group[name]
        assert isinstance(array, zarr.Array)
        lost = array.nchunks - array.nchunks_initialized
        if lost > 0:
            raise UserError(
                f"{path}: {name} lacks {lost} of {array.nchunks} chunks; restore the store, or "
                "make it again"
            )


def plain_words(values: np.ndarray) -> np.ndarray:
    """Strings of any length (as stores keep them) as numpy's plain ones; others as they are."""
    return np.array(values.tolist(), str) if values.dtype.kind in "TO" else values


def axis_of(wavelength, channel) -> xr.DataArray:
    """The axis `wavelength` [Angstrom] or `channel`, (pixel,); a UserError where it is neither."""
    if (wavelength is None) == (channel is None):
        raise UserError("give either wavelength or channel names, not both and not neither")
    if channel is not None:
        names = np.ma.getdata(plain(np.asarray(channel))).astype(str)
        check_unique(names, "channel")
        return xr.DataArray(names, dims="pixel", name="channel")
    if getattr(wavelength, "unit", None) is not None:
        wavelength = in_angstrom(wavelength)
    values = np.asarray(wavelength, float)
    if values.ndim != 1 or not (np.isfinite(values).all() and (np.diff(values) > 0).all()):
        raise UserError("wavelength must be one-dimensional, finite and increasing")
    return xr.DataArray(values, dims="pixel", name="wavelength")


def check_unique(names: np.ndarray, what: str = "star_id") -> None:
    """Refuse names (star,) of which one repeats."""
    values, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        repeated = values[counts > 1]
        raise UserError(
            f"{what} '{repeated[0]}' appears {counts.max()} times ({repeated.size} repeat): "
            "make them unique, by #2, #3 and so on for further spectra of a star"
        )


def unit_for_single(flux: np.ndarray, ivar: np.ndarray, star_id: np.ndarray) -> float:
    """Give the unit of flux, 1 where it serves, in which float32 holds both flux and ivar.

    Parameters
    ----------
    flux, ivar : array (star, pixel)
        Finite; ivar is 0 where nothing was measured.
    star_id : array of str (star,)
        For the message.

    Returns
    -------
    float
        A power of two, so that no digit changes: `flux / unit` and `ivar * unit**2` are stored.

    Raises
    ------
    UserError
        If no one unit serves all stars.
    """
    if not _outside(flux, ivar).any():
        return 1.0
    measured = ivar > 0
    size = np.median(np.maximum(np.abs(flux[measured]), ivar[measured] ** -0.5))
    unit = float(2.0 ** np.round(np.log2(size)))
    outside = _outside(flux / unit, ivar * unit**2)
    if outside.any():
        star = star_id[np.argmax(outside)]
        raise UserError(
            f"star {star}: its flux or ivar is outside what single precision holds beside the "
            "other stars; bring all spectra to one unit, such as flux over continuum"
        )
    return unit


def _outside(flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Which stars have a measured value that float32 cannot hold, bool (star,)."""
    out = (ivar > SINGLE.max) | ((ivar > 0) & (ivar < SINGLE.tiny)) | (np.abs(flux) > SINGLE.max)
    return out.any(axis=1)
