"""APOGEE spectra of SDSS-V's Milky Way Mapper: mwmStar and mwmVisit, DR19 and later.

Each is four binary tables, of two instruments at two observatories, of which those without spectra
have no row. A row is a combined spectrum (mwmStar) or a visit (mwmVisit).
"""

import io
import math
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from bayescannon.errors import UserError

INSTRUMENT = "APOGEE/"
AXIS = ("CRVAL", "CDELT", "CRPIX")


class Row(NamedTuple):
    """A spectrum as it is stored: (pixel,) each, and the log10 axis as apStar's keywords have it.

    `about` holds what the row and the primary header say of the star.
    """

    flux: np.ndarray
    ivar: np.ndarray
    pixel_flags: np.ndarray
    axis: dict[str, float]
    about: dict[str, str | float]


def is_mwm(extension: bytes) -> bool:
    """Whether the first extension, which begins so, is a binary table."""
    return extension.startswith(b"XTENSION= 'BINTABLE'")


def read_mwm(plain: bytes, visits: bool) -> list[Row]:
    """Read the APOGEE rows of a file: all visits, or the combined spectrum of the highest S/N.

    Raises
    ------
    UserError
        If the file holds no such spectrum.
    """
    with fits.open(io.BytesIO(plain)) as hdus:
        head = hdus[0].header
        tables = [hdu for hdu in hdus[1:] if str(hdu.header.get("EXTNAME")).startswith(INSTRUMENT)]
        if not tables:
            raise UserError("has neither images of an apStar nor tables of APOGEE spectra")
        if any(hdu.fileinfo()["datLoc"] + hdu.size > len(plain) for hdu in tables):
            raise UserError("ends before its data do")
        rows = [_row(head, hdu, row) for hdu in tables for row in hdu.data if _is_at_rest(hdu, row)]
        is_visits = any("MJD" in map(str.upper, hdu.columns.names) for hdu in tables)
    if is_visits != visits:
        known = "visits: read it with --visits" if is_visits else "no visits: leave --visits out"
        raise UserError(f"holds {known}")
    if not rows:
        raise UserError("holds no APOGEE spectrum of its star")
    return rows if visits else [max(rows, key=lambda row: row.about["snr"])]


def _is_at_rest(hdu: fits.BinTableHDU, row: fits.FITS_record) -> bool:
    """Whether a spectrum was shifted to the star's frame: visits that did not go into the sum
    were not."""
    names = {name.lower() for name in hdu.columns.names}
    if "in_stack" in names:
        return bool(row["in_stack"])
    return "mjd" not in names or bool(np.isfinite(row["v_rad"]))


def _row(head: fits.Header, hdu: fits.BinTableHDU, row: fits.FITS_record) -> Row:
    names = {name.lower() for name in hdu.columns.names}

    def word(name: str) -> str:
        return str(row[name]).strip() if name in names else ""

    def number(name: str, default: float = math.nan) -> float:
        return float(row[name]) if name in names else default

    star_id = word("obj") or str(head.get("APOGEEID") or "").strip() or f"{head.get('SDSS_ID')}"
    about: dict[str, str | float] = {
        "star_id": star_id,
        "snr": number("snr"),
        "star_flags": number("spectrum_flags", 0),
        "sdss_id": head.get("SDSS_ID") or -1,
        "gaia_id": head.get("GAIA3_ID") or -1,
        "ra": _known(head.get("RA")),
        "dec": _known(head.get("DEC")),
        "field": word("field"),
        "telescope": word("telescope"),
        "rv": number("v_rad"),
    }
    arrays = (np.array(row[name], float) for name in ("flux", "ivar", "pixel_flags"))
    axis = {f"{key}1": float(hdu.header[key]) for key in AXIS}
    return Row(*arrays, axis, about)


def _known(value) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
