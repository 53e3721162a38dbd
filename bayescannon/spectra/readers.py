"""Read one star's spectrum from the SDSS files apStar and aspcapStar."""

import gzip
import os
import re
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from ..errors import UserError
from .bits import BAD_PIXEL
from .grid import pixel_index

FLUX, ERROR, MASK = 1, 2, 3
"""HDUs of apStar; aspcapStar has its best-fit model where apStar has the mask."""

_2MASS = re.compile(r"[0-9A-Za-z]{2}\d{8}[+-]\d{7}")


class RawSpectrum(NamedTuple):
    """One star as the survey wrote it.

    flux and ivar are (pixel,), `index` gives each pixel's place on the full APOGEE axis.
    `normalised` tells whether the survey divided by a continuum (aspcapStar).
    """

    star_id: str
    flux: np.ndarray
    ivar: np.ndarray
    index: np.ndarray
    normalised: bool


def read_spectrum(path: str | os.PathLike, bad_pixel: int = BAD_PIXEL) -> RawSpectrum:
    """Read an apStar or aspcapStar file; of several rows the first, the combined one.

    Parameters
    ----------
    path : path
        `.fits` or `.fits.gz`.
    bad_pixel : int
        Bits of the pixel mask that make a pixel unusable.

    Raises
    ------
    UserError
        If the file is missing, damaged, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the survey's own headers break the standard's letter
            with fits.open(path, memmap=False) as hdus:
                return _parse(path, hdus, bad_pixel)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
    ) as error:
        raise UserError(f"{path}: damaged or not a FITS file ({_first_line(error)})") from error
    except (gzip.BadGzipFile, zlib.error, fits.VerifyError) as error:
        raise UserError(f"{path}: damaged file ({_first_line(error)})") from error


def _parse(path: Path, hdus: fits.HDUList, bad_pixel: int) -> RawSpectrum:
    if len(hdus) <= MASK:
        raise UserError(f"{path}: has {len(hdus)} HDUs; an apStar or aspcapStar file has 4 or more")
    header = hdus[FLUX].header
    flux, error, third = (_first_row(hdus[hdu].data) for hdu in (FLUX, ERROR, MASK))
    if not flux.shape == error.shape == third.shape:
        raise UserError(f"{path}: flux, error and mask have different numbers of pixels")
    is_ap_star = np.issubdtype(third.dtype, np.integer)
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if is_ap_star:
        good &= (third & bad_pixel) == 0
    ivar = np.zeros(flux.shape)
    with np.errstate(over="ignore"):
        ivar[good] = error[good].astype(float) ** -2
    good &= np.isfinite(ivar)
    ivar[~good] = 0.0
    wavelength = 10 ** (header["CRVAL1"] + header["CDELT1"] * np.arange(flux.size))
    return RawSpectrum(
        star_id=_star_id(path, hdus),
        flux=np.where(good, flux, 0.0).astype(float),
        ivar=ivar,
        index=pixel_index(wavelength),
        normalised=not is_ap_star,
    )


def _first_row(data) -> np.ndarray:
    if data is None or np.ndim(data) not in (1, 2) or not np.issubdtype(data.dtype, np.number):
        raise ValueError("an image of numbers was expected")
    return np.asarray(data if np.ndim(data) == 1 else data[0]).astype(data.dtype.newbyteorder("="))


def _star_id(path: Path, hdus: fits.HDUList) -> str:
    for key in ("OBJID", "OBJ"):
        name = hdus[0].header.get(key)
        if isinstance(name, str) and name.strip():
            return name.strip()
    found = _2MASS.search(path.name)
    return found.group() if found else path.name.split(".")[0]


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
