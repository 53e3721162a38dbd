"""The data of a spectra store, opened and checked or saved in single precision."""

import os
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

from bayescannon.errors import UserError, reason
from bayescannon.files import output
from bayescannon.marks import SPECTRA
from bayescannon.plain import bare
from bayescannon.star_ids import check_unique

STARS_PER_CHUNK = 512
SINGLE = np.finfo(np.float32)


def open_dataset(path: str | os.PathLike) -> xr.Dataset:
    """Open a spectra store without reading its fluxes.

    Raises
    ------
    UserError
        If there is no such store, chunks of it are lost, or it holds something else.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: no such spectra store; make one with `bayescannon ingest`")
    try:
        # consolidated metadata, where there are some, are what the last commit of an ingest saw
        consolidated = "consolidated_metadata" in (path / "zarr.json").read_text()
        data = xr.open_zarr(path, chunks=None, consolidated=consolidated)
        # not numpy's new strings: np.unique of a few hundred of them ends the process
        check_unique(bare(data.star_id.values))
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


def in_single(data: xr.Dataset, flux: np.ndarray, ivar: np.ndarray, unit_name: str) -> xr.Dataset:
    """Give the data of `Spectra` in float32, in another unit where that cannot hold them.

    Parameters
    ----------
    data : xarray.Dataset
    flux, ivar : (star, pixel)
        As `Spectra.arrays` gives them.
    unit_name : str
        Attribute that holds the unit.
    """
    with np.errstate(over="ignore"):  # what was not measured may be any number
        single = data.astype("float32")
    unit = unit_for_single(flux, ivar, bare(data.star_id.values))
    if unit != 1 or unit_name in data.attrs:
        stored = {"flux": flux / unit, "ivar": ivar * unit**2}
        columns = {name: (("star", "pixel"), np.float32(v)) for name, v in stored.items()}
        single = data.assign(columns).assign_attrs({unit_name: unit})
    return single.drop_encoding()


def save_dataset(data: xr.Dataset, path: str | os.PathLike, overwrite: bool) -> None:
    """Write the data of a store, chunked by star; see `Spectra.save`."""
    chunks = min(STARS_PER_CHUNK, max(data.sizes["star"], 1)), data.sizes["pixel"]
    encoding = {name: {"chunks": chunks} for name in ("flux", "ivar")}
    with output(path, SPECTRA, overwrite) as beside:
        data.to_zarr(
            beside, mode="w", consolidated=False, encoding=encoding, write_empty_chunks=True
        )
