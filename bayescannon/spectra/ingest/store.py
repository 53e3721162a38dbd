"""The store that grows: rows are appended, and one file, renamed into place, commits them.

Zarr keeps the shape of each array in a file of its own, so a process that is killed between two of
them leaves arrays of different lengths. The consolidated metadata in the root's `zarr.json` hold
all shapes at once and are written last: readers believe them, and so does the next run.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from bayescannon.errors import UserError, ignored
from bayescannon.files import write_beside
from bayescannon.marks import SPECTRA, put_mark
from bayescannon.recipe import PixelRecipe
from bayescannon.spectra import STARS_PER_CHUNK, apogee_wavelength
from bayescannon.spectra.ingest.block import ABOUT

SMALL_CHUNK = 8 * STARS_PER_CHUNK
TERMS = "detector_term"


class GrowingStore:
    """A spectra store on disk to which stars are appended in chunks.

    Parameters
    ----------
    path : Path
        Zarr folder; made when missing, else continued.
    pixels : PixelRecipe
        How the spectra are made; a store holds one way only.

    Raises
    ------
    UserError
        If there is something else at `path`, or a store made another way.
    """

    def __init__(self, path: Path, pixels: PixelRecipe):
        self.path = path
        how = json.dumps(asdict(pixels), sort_keys=True)
        if not (path / "zarr.json").exists():
            with write_beside(path) as beside:
                _create(beside, pixels, how)
                put_mark(beside, SPECTRA)
        self.rows, self.known = _committed(path, how)
        for left in path.rglob("*.partial"):  # of a write that was killed
            left.unlink()
        self._group = zarr.open_group(path, mode="r+", use_consolidated=False)
        for array in self._arrays().values():
            if array.shape[0] != self.rows:
                array.resize((self.rows, *array.shape[1:]))

    def append(self, flux: np.ndarray, ivar: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Add stars, (star, pixel) and (star, ...), and commit them."""
        stop = self.rows + len(flux)
        values = {"flux": flux, "ivar": ivar, **columns}
        for name, array in self._arrays().items():
            array.resize((stop, *array.shape[1:]))
            array[self.rows : stop] = values[name]
        _commit(self.path)
        self.rows = stop

    def _arrays(self) -> dict[str, zarr.Array]:
        return {name: array for name, array in self._group.arrays() if name != "wavelength"}


def _create(path: Path, pixels: PixelRecipe, how: str) -> None:
    size, terms = pixels.grid, 3 * (pixels.continuum_degree + 1)
    empty = np.zeros((0, size), np.float32)
    words = np.zeros(0, np.dtypes.StringDType())
    about = {
        name: ("star", words if kind is object else np.zeros(0, kind))
        for name, kind in ABOUT.items()
    }
    data = xr.Dataset(
        {"flux": (("star", "pixel"), empty), "ivar": (("star", "pixel"), empty)},
        coords={
            "wavelength": ("pixel", apogee_wavelength(size)),
            "star_id": ("star", words),
            "source": ("star", words),
            "checksum": ("star", words),
            "snr": ("star", np.zeros(0, np.float32)),
            "star_flags": ("star", np.zeros(0, np.int64)),
            "bad_star": ("star", np.zeros(0, bool)),
            **about,
            "continuum": (("star", TERMS), np.zeros((0, terms))),
        },
        attrs={"pixels": how},
    )
    data.flux.attrs = {"long_name": "flux over continuum", "scale": "1 = continuum"}
    data.ivar.attrs = {"long_name": "inverse variance of flux", "scale": "continuum^-2"}
    data.continuum.attrs = {
        "long_name": "Chebyshev coefficients of the continuum, detector by detector",
        "scale": "unit of the file's flux, in SDSS files 1e-17 erg/s/cm2/Angstrom",
    }
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"chunks": (SMALL_CHUNK,)} for name in data.coords
    }
    encoding["continuum"] = {"chunks": (SMALL_CHUNK, terms)}
    encoding["wavelength"] = {"chunks": (size,)}
    for name in ("flux", "ivar"):
        codec = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
        encoding[name] = {"chunks": (STARS_PER_CHUNK, size), "compressors": codec}
    with ignored(message="Consolidated metadata"):
        data.to_zarr(path, mode="w", consolidated=True, encoding=encoding)


def _commit(path: Path) -> None:
    # zarr warns that the specification of format 3 does not have them yet: a reader that does not
    # know them sees the arrays' own metadata, which agree once the ingest has ended
    with ignored(message="Consolidated metadata"):
        zarr.consolidate_metadata(path)


def _committed(path: Path, how: str) -> tuple[int, xr.Dataset]:
    try:
        data = xr.open_zarr(path, chunks=None, consolidated=True)
        made = data.attrs["pixels"]
        known = data[["star_id", "source", "checksum"]].drop_vars("wavelength", errors="ignore")
    except (KeyError, AttributeError, ValueError, OSError) as error:
        raise UserError(f"{path}: exists, and is no store that `ingest` made") from error
    if json.loads(how) | json.loads(made) != json.loads(how):  # older stores lack younger keys
        raise UserError(f"{path}: was made with other [pixels] settings; choose another --out")
    return data.sizes["star"], known.load()
