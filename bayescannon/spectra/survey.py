"""APOGEE's allStar tables, DR10 to DR17, and where the survey keeps each star's spectrum."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayescannon.errors import UserError
from bayescannon.spectra.bits import AspcapFlag, StarFlag, bits

NAMES = {
    "star_id": ("APOGEE_ID",),
    "telescope": ("TELESCOPE",),
    "field": ("FIELD",),
    "location_id": ("LOCATION_ID",),
    "file": ("FILE",),
    "ra": ("RA",),
    "dec": ("DEC",),
    "snr": ("SNR",),
    "teff": ("TEFF",),
    "teff_err": ("TEFF_ERR",),
    "logg": ("LOGG",),
    "logg_err": ("LOGG_ERR",),
    "mh": ("M_H", "PARAM_M_H", "METALS"),
    "mh_err": ("M_H_ERR", "PARAM_M_H_ERR", "METALS_ERR"),
    "afe": ("ALPHA_M", "PARAM_ALPHA_M", "ALPHAFE"),
    "afe_err": ("ALPHA_M_ERR", "PARAM_ALPHA_M_ERR", "ALPHAFE_ERR"),
    "feh": ("FE_H", "M_H", "PARAM_M_H", "METALS"),
    "feh_err": ("FE_H_ERR", "M_H_ERR", "PARAM_M_H_ERR", "METALS_ERR"),
    "c_m": ("C_M", "PARAM_C_M"),
    "n_m": ("N_M", "PARAM_N_M"),
    "star_flags": ("STARFLAG",),
    "aspcap_flags": ("ASPCAPFLAG",),
}
"""Our names, and those of the releases from the newest to the oldest."""

MISSING = -999.0
"""ASPCAP's values for "none" (-9999, and -9999.99 in later releases) lie below this."""

RELEASES = ("dr12", "dr17")
KINDS = ("aspcapStar", "apStar")


def read_all_star(
    path: str | os.PathLike,
    bad_star_flags: Iterable[str] = (),
    bad_aspcap_flags: Iterable[str] = (),
) -> Table:
    """Read what a label table needs from an allStar file of any release.

    Parameters
    ----------
    path : path
        `allStar-*.fits`, also compressed. Only the columns that are used are read.
    bad_star_flags, bad_aspcap_flags : iterable of str
        Names of the bits that make a star unfit to train on; a recipe's `[pixels]` has them.

    Returns
    -------
    Table
        Columns as in `NAMES`, where the release has them, in its order of rows; NaN where it
        gives no value; `bad_star` where one of the named bits is set. A star that was observed
        in several fields has a row for each.

    Raises
    ------
    UserError
        If the file is no allStar table, or a bit's name is unknown.
    """
    marks = (
        ("star_flags", bits(StarFlag, bad_star_flags, "pixels.bad_star_flags")),
        ("aspcap_flags", bits(AspcapFlag, bad_aspcap_flags, "pixels.bad_aspcap_flags")),
    )
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    table = Table()
    try:
        with fits.open(path, memmap=True) as hdus:
            rows = hdus[1].data
            for ours, theirs in NAMES.items():
                found = [name for name in theirs if name in rows.names]
                if found:
                    table[ours] = _column(rows[found[0]])
    except Exception as error:  # as in `read_spectrum`
        reason = f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
        raise UserError(f"{path}: damaged or not a FITS table ({reason})") from error
    if "star_id" not in table.colnames:
        raise UserError(f"{path}: has no column APOGEE_ID: not an allStar table")
    table["bad_star"] = False
    for name, bad in marks:
        if name in table.colnames:
            table["bad_star"] |= (table[name].astype(np.int64) & bad) != 0
    return table


def _column(values) -> np.ndarray:
    if values.dtype.kind in "SU":
        return np.char.strip(np.asarray(values, str))
    values = np.asarray(values).astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "f":
        return np.where(values > MISSING, values, np.nan)
    return values


def survey_paths(table: Table, release: str, kind: str = "aspcapStar") -> list[str]:
    """Say where the survey keeps the spectra of stars, relative to its `sas` folder.

    Parameters
    ----------
    table : Table
        Rows of `read_all_star`, or a table with `star_id` and `field`; with `telescope` where it
        is not the 2.5 m at Apache Point. DR12 files by `location_id`: given instead of `field`,
        or a number in `field`, serves as well.
    release : {"dr12", "dr17"}
    kind : {"aspcapStar", "apStar"}
        Normalised by the survey, or not.

    Returns
    -------
    list of str
        Like `dr17/apogee/spectro/aspcap/dr17/synspec_rev1/apo25m/M13/aspcapStar-dr17-...fits`.

    Raises
    ------
    UserError
        If release or kind is unknown, or a column is missing.
    """
    if release.lower() not in RELEASES:
        raise UserError(f"release {release!r} is unknown: use {' or '.join(RELEASES)}")
    if kind not in KINDS:
        raise UserError(f"kind {kind!r} is unknown: use {' or '.join(KINDS)}")
    if "star_id" not in table.colnames or not {"field", "location_id"} & set(table.colnames):
        raise UserError("survey paths need the columns star_id and field (or location_id)")
    path = _dr12 if release.lower() == "dr12" else _dr17
    return [path(dict(zip(table.colnames, row, strict=True)), kind) for row in table]


def _dr12(row: dict, kind: str) -> str:
    # location 1 stands for the 1 m telescope, whose stars are filed by the name of the field
    location = str(row.get("location_id", row.get("field")))
    one_metre = location == "1" or not location.isdigit()
    folder = str(row.get("field", location)).strip() if one_metre else location
    if one_metre and ("field" not in row or folder == "1"):
        raise UserError(f"star {row['star_id']}: DR12 files the 1 m telescope by field: give it")
    root = "dr12/apogee/spectro/redux/r5/stars"
    if kind == "aspcapStar":
        return f"{root}/l25_6d/v603/{folder}/aspcapStar-r5-v603-{row['star_id']}.fits"
    telescope = "apo1m" if one_metre else "apo25m"
    return f"{root}/{telescope}/{folder}/apStar-r5-{row['star_id']}.fits"


def _dr17(row: dict, kind: str) -> str:
    if "field" not in row:
        raise UserError("DR17 files stars by field: give a column field")
    telescope = str(row.get("telescope", "apo25m")).strip()
    folder = f"{telescope}/{str(row['field']).strip()}"
    if kind == "aspcapStar":
        root = "dr17/apogee/spectro/aspcap/dr17/synspec_rev1"
        return f"{root}/{folder}/aspcapStar-dr17-{row['star_id']}.fits"
    prefix = "asStar" if telescope == "lco25m" else "apStar"
    return f"dr17/apogee/spectro/redux/dr17/stars/{folder}/{prefix}-dr17-{row['star_id']}.fits"
