"""Read one star's spectrum from the SDSS files apStar and aspcapStar (DR10 to DR17), mwmStar."""

import gzip
import io
import math
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from xxhash import xxh3_128_hexdigest

from bayescannon.errors import UserError, ignored
from bayescannon.spectra.bits import BAD_PIXEL
from bayescannon.spectra.grid import apogee_wavelength, index_of_log10
from bayescannon.spectra.headers import BLOCK, CARD, END, about_star, name_of, number, read_primary
from bayescannon.spectra.mwm import Row, is_mwm, read_mwm
from bayescannon.spectra.resample import resample_flux

FLUX, ERROR, MASK = 1, 2, 3
"""HDUs of apStar; aspcapStar has its best-fit model where apStar has the mask."""
DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""Of a FITS image, by BITPIX."""

_GZIP = b"\x1f\x8b"

COMBINED = 2
"""Rows of combined spectra at the beginning of an apStar file with several visits."""


class RawSpectrum(NamedTuple):
    """One star as the survey wrote it.

    flux and ivar are (pixel,), `index` gives each pixel's place on the full APOGEE axis.
    `normalised` tells whether the survey divided by a continuum (aspcapStar). `snr` (NaN) and
    `star_flags` (0) are the header's, where it has them; `checksum` is the file's XXH3
    of 128 bits (`xxhsum -H2`); `about` has the header's `ra`, `dec` [deg], `field`, `telescope`
    and `rv` [km/s], NaN or "" where it has none, and `sdss_id` and `gaia_id`, or -1.
    """

    star_id: str
    flux: np.ndarray
    ivar: np.ndarray
    index: np.ndarray
    normalised: bool
    snr: float
    star_flags: int
    checksum: str
    about: dict[str, str | float]


def read_spectrum(
    path: str | os.PathLike, bad_pixel: int = BAD_PIXEL, resample: bool = False
) -> RawSpectrum:
    """Read an apStar or aspcapStar file; of several rows the first, the combined one.

    Parameters
    ----------
    path : path
        `.fits` or `.fits.gz`.
    bad_pixel : int
        Bits of the pixel mask that make a pixel unusable.
    resample : bool
        Resample a file on another grid instead of refusing it, with a `CovarianceWarning`.

    Raises
    ------
    UserError
        If the file is missing, damaged, or of another kind.
    """
    return _read(path, bad_pixel, resample, lambda n: [0])[0]


def read_visits(
    path: str | os.PathLike, bad_pixel: int = BAD_PIXEL, resample: bool = False
) -> list[RawSpectrum]:
    """Read the single visits of an apStar or asStar file, from its third row on.

    Two combined spectra stand before them. A file of fewer rows has one visit, its first row.
    Parameters and errors are those of `read_spectrum`; `snr` is that of the visit.
    """
    return _read(path, bad_pixel, resample, lambda n: list(range(COMBINED, n)) or [0])


def _read(
    path: str | os.PathLike, bad_pixel: int, resample: bool, wanted: Callable[[int], list[int]]
) -> list[RawSpectrum]:
    """Read the rows that are wanted of a file of n rows."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        plain = stored = path.read_bytes()
        while plain.startswith(_GZIP):  # some mirrors compress what is compressed
            plain = gzip.decompress(plain)
        with ignored(module="astropy"):  # the survey's own headers break the standard's letter
            head, stop = read_primary(plain)
            if is_mwm(plain[stop : stop + CARD]):
                rows_of_mwm = read_mwm(plain, wanted(COMBINED + 1) != [0])
                checksum = xxh3_128_hexdigest(stored)
                return [_of_mwm(row, bad_pixel, resample, checksum) for row in rows_of_mwm]
            images = _images(plain, stop)
            if len({image.rows.shape[1] for image in images}) > 1:
                raise UserError("flux, error and mask have different numbers of pixels")
            rows = wanted(min(len(image.rows) for image in images))
            stars = [_parse(images, row, bad_pixel, resample) for row in rows]
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # a parser that meets damaged bytes may raise anything
        reason = f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
        raise UserError(f"{path}: damaged or not a FITS file ({reason})") from error
    name, flags = name_of(path, head), int(number(head.get("STARFLAG"), 0))
    checksum = xxh3_128_hexdigest(stored)
    keys = ["SNR" if row < COMBINED else f"SNRVIS{row - COMBINED + 1}" for row in rows]
    snr = [number(head.get(key), math.nan) for key in keys]
    return [
        RawSpectrum(name, *star, ratio, flags, checksum, about_star(head))
        for star, ratio in zip(stars, snr, strict=True)
    ]


def _of_mwm(row: Row, bad_pixel: int, resample: bool, checksum: str) -> RawSpectrum:
    """Mask a row of mwmStar or mwmVisit; its flags are stored as floats."""
    good = np.isfinite(row.flux) & np.isfinite(row.ivar) & (row.ivar > 0)
    flags = np.where(np.isfinite(row.pixel_flags), row.pixel_flags, -1).astype(np.int64)
    good &= (flags & bad_pixel) == 0
    flux, ivar = np.where(good, row.flux, 0.0), np.where(good, row.ivar, 0.0)
    about = dict(row.about)
    name, snr, star_flags = (about.pop(key) for key in ("star_id", "snr", "star_flags"))
    on_grid = _on_grid(row.axis, flux, ivar, resample)
    return RawSpectrum(str(name), *on_grid, False, float(snr), int(star_flags), checksum, about)


class Image(NamedTuple):
    """All rows of an image (row, pixel), as stored, and their header."""

    rows: np.ndarray
    header: fits.Header


def _parse(
    images: list[Image], row: int, bad_pixel: int, resample: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    if images[0].rows.dtype.kind in "iu":
        raise UserError("HDU 1 holds integers, not fluxes: its HDUs are not those of an apStar")
    native = (i.rows[row].astype(i.rows.dtype.newbyteorder("=")) for i in images)
    flux, error, third = native
    header, _, about_third = (image.header for image in images)
    is_ap_star, third = _as_mask(third)
    if not is_ap_star and "mask" in str(about_third.get("BUNIT", "")).lower():
        raise UserError("the pixel mask in HDU 3 is not of integers")
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if is_ap_star:
        good &= (third & bad_pixel) == 0
    ivar = np.zeros(flux.shape)
    with np.errstate(over="ignore", divide="ignore"):
        np.divide(1.0, np.square(error, dtype=float), out=ivar, where=good)
    good &= np.isfinite(ivar)
    ivar[~good] = 0.0
    flux = np.where(good, flux, 0.0).astype(float)
    return *_on_grid(header, flux, ivar, resample), not is_ap_star


def _as_mask(third: np.ndarray) -> tuple[bool, np.ndarray]:
    """Say whether HDU 3 is a pixel mask, and give its bits.

    Some tools store a mask as floats: whole numbers, which the best-fit model of an aspcapStar
    file never is (but for a model that is 1 everywhere). What is not finite has every bit.
    """
    if np.issubdtype(third.dtype, np.integer):
        return True, third
    known = np.isfinite(third)
    values = third[known]
    whole = values.size > 0 and (values == np.round(values)).all() and (values != 1).any()
    return bool(whole), np.where(known, third, -1).astype(np.int64) if whole else third


def _images(plain: bytes, start: int) -> list[Image]:
    """Read HDUs 1 to 3, which begin at `start`: plain images here, anything else by astropy.

    astropy takes each header apart anew, for most of the time that a file takes; the survey's
    images have the same few headers in all files.
    """
    images = []
    while len(images) < MASK:
        stop = _end_of_header(plain, start)
        layout = None if stop is None else _layout(plain[start:stop])
        if stop is None or layout is None:
            return _images_by_astropy(plain)
        if len(plain) < stop + layout.size:
            raise UserError("ends before its data do")
        rows = np.frombuffer(plain, layout.dtype, layout.size // layout.dtype.itemsize, stop)
        images.append(Image(rows.reshape(-1, layout.pixels), layout.header))
        start = stop + -(-layout.size // BLOCK) * BLOCK
    return images


class Layout(NamedTuple):
    """How an image is stored: type and number of a row's pixels, bytes of all rows."""

    dtype: np.dtype
    pixels: int
    size: int
    header: fits.Header


@lru_cache(maxsize=256)
def _layout(header: bytes) -> Layout | None:
    """Take the header of a plain image apart; None where it is something else."""
    cards = fits.Header.fromstring(header)
    shape = [cards.get(f"NAXIS{k + 1}") for k in range(int(cards.get("NAXIS", 0)))]
    plain = (
        cards.get("XTENSION") == "IMAGE"
        and cards.get("BITPIX") in DTYPES
        and len(shape) in (1, 2)
        and all(type(n) is int and n > 0 for n in shape)
        and (cards.get("PCOUNT", 0), cards.get("GCOUNT", 1)) == (0, 1)
        and not any(key in cards for key in ("BSCALE", "BZERO", "BLANK", "ZIMAGE"))
    )
    if not plain:
        return None
    dtype = np.dtype(DTYPES[cards["BITPIX"]])
    return Layout(dtype, shape[0], math.prod(shape) * dtype.itemsize, cards)


def _end_of_header(plain: bytes, start: int) -> int | None:
    """Where the header that begins at `start` ends; None where there is none."""
    at = plain.find(END, start)
    while at >= 0 and (at - start) % CARD:
        at = plain.find(END, at + 1)
    return None if at < 0 else start + -(-(at + CARD - start) // BLOCK) * BLOCK


def _images_by_astropy(plain: bytes) -> list[Image]:
    with fits.open(io.BytesIO(plain)) as hdus:
        try:
            found = [hdus[hdu] for hdu in (FLUX, ERROR, MASK)]
        except IndexError:
            few = f"has {len(hdus)} HDUs; an apStar or aspcapStar file has 4 or more"
            raise UserError(few) from None
        return [Image(_rows(image.data), image.header) for image in found]


def _rows(data) -> np.ndarray:
    if data is None or np.ndim(data) not in (1, 2) or not np.issubdtype(data.dtype, np.number):
        raise UserError("an image of numbers was expected in HDUs 1 to 3")
    return np.atleast_2d(np.asarray(data))


def _on_grid(header: Mapping[str, Any] | fits.Header, flux, ivar, resample: bool):
    axis = (float(header[key]) for key in ("CRVAL1", "CDELT1"))
    start, step, first = *axis, float(header.get("CRPIX1", 1))
    try:
        return flux, ivar, _index(start, step, first, flux.size)
    except UserError:
        if not resample:
            raise
    log10 = start + step * (np.arange(flux.size) + 1 - first)
    if not (0 < log10[0] < log10[-1] < 9):
        raise UserError("CRVAL1 and CDELT1 are no log10 of wavelengths: it cannot be resampled")
    target = apogee_wavelength()
    flux, ivar = resample_flux(10**log10, flux[None], ivar[None], target)
    return flux[0], ivar[0], np.arange(target.size)


@lru_cache(maxsize=8)
def _index(start: float, step: float, first: float, size: int) -> np.ndarray:
    # the axis is log10 of the wavelength: no logarithm has to be taken to find the grid's pixels
    return index_of_log10(start + step * (np.arange(size) + 1 - first))
