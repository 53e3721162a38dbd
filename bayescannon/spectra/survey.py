"""APOGEE's allStar tables, DR10 to DR17, and where the survey keeps each star's spectrum."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from astropy.table import Table

from bayescannon.columns import find, flag_bits, numbers, words
from bayescannon.errors import UserError
from bayescannon.plain import plain
from bayescannon.spectra.bits import AspcapFlag, StarFlag, bits
from bayescannon.star_ids import star_of, unique_ids
from bayescannon.tables import as_table, naming, read_table

NAMES = {
    "star_id": ("APOGEE_ID", "star_id"),
    "sdss_id": ("SDSS_ID",),
    "gaia_id": ("GAIAEDR3_SOURCE_ID", "GAIA_SOURCE_ID", "GAIA_ID"),
    "kic": ("KIC", "KIC_ID"),
    "telescope": ("TELESCOPE",),
    "field": ("FIELD",),
    "location_id": ("LOCATION_ID",),
    "file": ("FILE",),
    "ra": ("RA",),
    "dec": ("DEC",),
    "snr": ("SNR",),
    "rv": ("VHELIO_AVG", "rv"),
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

IDENTITY = ("sdss_id", "gaia_id", "ra", "dec", "field", "telescope", "snr", "rv")
"""Those that say which star it is, and how it was observed: a catalogue carries them."""
WORDS = ("telescope", "field", "file")
IDS = ("sdss_id", "gaia_id", "kic")
RELEASES = ("dr12", "dr17")
KINDS = ("aspcapStar", "apStar")


def read_all_star(
    path: Any,
    bad_star_flags: Iterable[str] = (),
    bad_aspcap_flags: Iterable[str] = (),
) -> Table:
    """Read what a label table needs from an allStar file of any release.

    Parameters
    ----------
    path : path or table
        `allStar-*.fits`, also compressed, a table of its columns in another format, or one that
        is read already. Of FITS only the columns that are used are read.
    bad_star_flags, bad_aspcap_flags : iterable of str
        Names of the bits that make a star unfit to train on; a recipe's `[pixels]` has them.

    Returns
    -------
    Table
        Columns as in `NAMES`, where the release has them, in its order of rows; NaN where it
        gives no value; `bad_star` where one of the named bits is set. A star that was observed
        in several fields has a row for each: `X`, `X#2`, `X#3` in order of rows.

    Raises
    ------
    UserError
        If the file is no allStar table, or a bit's name is unknown.
    """
    marks = (
        ("star_flags", bits(StarFlag, bad_star_flags, "pixels.bad_star_flags")),
        ("aspcap_flags", bits(AspcapFlag, bad_aspcap_flags, "pixels.bad_aspcap_flags")),
    )
    wanted = [name for theirs in NAMES.values() for name in theirs]
    is_path = isinstance(path, str | os.PathLike)
    rows = read_table(path, NAMES["star_id"], wanted) if is_path else as_table(path)
    path = path if is_path else type(path).__name__
    with naming(path):
        table = Table(survey_columns(rows))
    if "star_id" not in table.colnames:
        raise UserError(f"{path}: has no column APOGEE_ID (or star_id): not an allStar table")
    table["bad_star"] = np.zeros(len(rows), bool)
    for name, bad in marks:
        if name in table.colnames:
            table["bad_star"] |= (table[name] & bad) != 0
    return table


def survey_columns(rows: Table, wanted: Iterable[str] = tuple(NAMES)) -> dict[str, np.ndarray]:
    """Read those of the columns `NAMES`, (row,) each, that a survey's table has, by our names."""
    names = {ours: find(rows, *NAMES[ours]) for ours in wanted}
    return {ours: _column(rows, ours, name) for ours, name in names.items() if name is not None}


def _column(rows: Table, ours: str, name: str) -> np.ndarray:
    if ours == "star_id":
        return unique_ids(rows[name])
    if ours in IDS:
        return np.array([int(word or -1) for word in words(rows, name).tolist()], np.int64)
    if ours.endswith("_flags"):
        return flag_bits(rows, name, name.upper())[0]
    values = plain(rows[name])
    if values.dtype.kind == "i":
        return np.ma.getdata(values)
    if ours in WORDS or (ours == "location_id" and values.dtype.kind == "U"):
        return words(rows, name)
    return numbers(rows, name).astype(values.dtype if values.dtype.kind == "f" else float)


def survey_paths(table: Any, release: str, kind: str = "aspcapStar") -> list[str]:
    """Say where the survey keeps the spectra of stars, relative to its `sas` folder.

    Parameters
    ----------
    table : Table or data frame
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
    table = as_table(table)
    columns = {n: find(table, n) for n in ("star_id", "field", "location_id", "telescope")}
    known = {name: words(table, theirs) for name, theirs in columns.items() if theirs is not None}
    if "star_id" not in known or not {"field", "location_id"} & set(known):
        raise UserError("survey paths need the columns star_id and field (or location_id)")
    known["star_id"] = np.array([star_of(name) for name in known["star_id"]], str)
    path = _dr12 if release.lower() == "dr12" else _dr17
    rows = zip(*known.values(), strict=True)
    return [path(dict(zip(known, row, strict=True)), kind) for row in rows]


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
