"""APOGEE's allStar tables, DR10 to SDSS-V, and where the survey keeps each star's spectrum."""

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
    "star_id": ("APOGEE_ID", "star_id", "OBJ", "SDSS4_APOGEE_ID"),
    "sdss_id": ("SDSS_ID",),
    "gaia_id": (
        "GAIAEDR3_SOURCE_ID",
        "GAIA_DR3_SOURCE_ID",
        "GAIA_SOURCE_ID",
        "GAIA_SOURCEID",
        "GAIA_ID",
    ),
    "kic": ("KIC", "KIC_ID"),
    "telescope": ("TELESCOPE",),
    "field": ("FIELD",),
    "location_id": ("LOCATION_ID",),
    "file": ("FILE",),
    "ra": ("RA",),
    "dec": ("DEC",),
    "snr": ("SNR",),
    "rv": ("VHELIO_AVG", "rv", "V_RAD", "VRAD"),
    "teff": ("TEFF",),
    "teff_err": ("TEFF_ERR", "E_TEFF"),
    "logg": ("LOGG",),
    "logg_err": ("LOGG_ERR", "E_LOGG"),
    "mh": ("M_H", "PARAM_M_H", "METALS", "M_H_ATM"),
    "mh_err": ("M_H_ERR", "PARAM_M_H_ERR", "METALS_ERR", "E_M_H_ATM"),
    "afe": ("ALPHA_M", "PARAM_ALPHA_M", "ALPHAFE", "ALPHA_M_ATM"),
    "afe_err": ("ALPHA_M_ERR", "PARAM_ALPHA_M_ERR", "ALPHAFE_ERR", "E_ALPHA_M_ATM"),
    "feh": ("FE_H", "M_H", "PARAM_M_H", "METALS"),
    "feh_err": ("FE_H_ERR", "E_FE_H", "M_H_ERR", "PARAM_M_H_ERR", "METALS_ERR"),
    "c_m": ("C_M", "PARAM_C_M", "C_M_ATM"),
    "n_m": ("N_M", "PARAM_N_M", "N_M_ATM"),
    "star_flags": ("STARFLAG", "SPECTRUM_FLAGS"),
    "aspcap_flags": ("ASPCAPFLAG",),
    "result_flags": ("RESULT_FLAGS",),
    "flag_bad": ("FLAG_BAD",),
}
"""Our names, and those of the releases from the newest to the oldest."""

IDENTITY = ("sdss_id", "gaia_id", "ra", "dec", "field", "telescope", "snr", "rv")
"""Those that say which star it is, and how it was observed: a catalogue carries them."""
WORDS = ("telescope", "field", "file")
IDS = ("sdss_id", "gaia_id", "kic")
BY_LOCATION = {
    "dr12": ("r5", "l25_6d/v603", "r5-v603"),
    "dr13": ("r6", "l30e/l30e.2", "r6-l30e.2"),
    "dr14": ("r8", "l31c/l31c.2", "r8-l31c.2"),
}
"""Reduction, folder of ASPCAP's results, and what stands in the names of its files."""
BY_FIELD = {"dr16": ("r12", "l33"), "dr17": ("dr17", "synspec_rev1")}
"""Reduction and ASPCAP's results."""
ASTRA = {"dr19": "0.6.0"}
"""Version of the files of Astra, SDSS-V's analysis."""
RELEASES = (*BY_LOCATION, *BY_FIELD, *ASTRA)
KINDS = ("aspcapStar", "apStar", "mwmStar", "mwmVisit")


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
    if "flag_bad" in table.colnames:  # SDSS-V says so itself
        table["bad_star"] |= np.asarray(table["flag_bad"], bool)
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
    if values.dtype.kind in "ib":
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
        is not the 2.5 m at Apache Point. DR12 to DR14 file by `location_id`: given instead of
        `field`, or a number in `field`, serves as well. SDSS-V files by `sdss_id`.
    release : {"dr12", "dr13", "dr14", "dr16", "dr17", "dr19"}
    kind : {"aspcapStar", "apStar", "mwmStar", "mwmVisit"}
        Normalised by the survey, or not; of DR19 the combined spectrum, or the visits.

    Returns
    -------
    list of str
        Like `dr17/apogee/spectro/aspcap/dr17/synspec_rev1/apo25m/M13/aspcapStar-dr17-...fits`.

    Raises
    ------
    UserError
        If release or kind is unknown, or a column is missing.
    """
    release = release.lower()
    if release not in RELEASES:
        raise UserError(f"release {release!r} is unknown: use one of {', '.join(RELEASES)}")
    kinds = KINDS[2:] if release in ASTRA else KINDS[:2]
    if kind not in kinds:
        raise UserError(f"kind {kind!r} is unknown in {release}: use {' or '.join(kinds)}")
    table = as_table(table)
    if release in ASTRA:
        return _of_astra(table, release, kind)
    columns = {n: find(table, n) for n in ("star_id", "field", "location_id", "telescope")}
    known = {name: words(table, theirs) for name, theirs in columns.items() if theirs is not None}
    if "star_id" not in known or not {"field", "location_id"} & set(known):
        raise UserError("survey paths need the columns star_id and field (or location_id)")
    known["star_id"] = np.array([star_of(name) for name in known["star_id"]], str)
    path = _by_location if release in BY_LOCATION else _by_field
    rows = zip(*known.values(), strict=True)
    return [path(dict(zip(known, row, strict=True)), release, kind) for row in rows]


def _of_astra(table: Table, release: str, kind: str) -> list[str]:
    name = find(table, *NAMES["sdss_id"])
    if name is None:
        raise UserError(f"{release} files stars by SDSS id: give a column sdss_id")
    ids = _column(table, "sdss_id", name)
    if (ids < 0).any():
        raise UserError(f"row {int(np.argmax(ids < 0)) + 1} has no sdss_id: leave it out")
    version, folder = ASTRA[release], "star" if kind == "mwmStar" else "visit"
    root = f"{release}/spectro/astra/{version}/spectra/{folder}"
    groups = [(f"{n // 100 % 100:02d}/{n % 100:02d}", n) for n in ids.tolist()]
    return [f"{root}/{group}/{kind}-{version}-{n}.fits" for group, n in groups]


def _by_location(row: dict, release: str, kind: str) -> str:
    # location 1 stands for the 1 m telescope, whose stars are filed by the name of the field
    location = str(row.get("location_id", row.get("field")))
    one_metre = location == "1" or not location.isdigit()
    folder = str(row.get("field", location)).strip() if one_metre else location
    if one_metre and ("field" not in row or folder == "1"):
        raise UserError(f"star {row['star_id']}: {release} files the 1 m telescope by field")
    reduction, results, name = BY_LOCATION[release]
    root = f"{release}/apogee/spectro/redux/{reduction}/stars"
    if kind == "aspcapStar":
        return f"{root}/{results}/{folder}/aspcapStar-{name}-{row['star_id']}.fits"
    telescope = "apo1m" if one_metre else "apo25m"
    return f"{root}/{telescope}/{folder}/apStar-{reduction}-{row['star_id']}.fits"


def _by_field(row: dict, release: str, kind: str) -> str:
    if "field" not in row:
        raise UserError(f"{release} files stars by field: give a column field")
    telescope = str(row.get("telescope", "apo25m")).strip()
    folder = f"{telescope}/{str(row['field']).strip()}"
    reduction, results = BY_FIELD[release]
    root = f"{release}/apogee/spectro"
    if kind == "aspcapStar":
        place = f"{root}/aspcap/{reduction}/{results}/{folder}"
        return f"{place}/aspcapStar-{reduction}-{row['star_id']}.fits"
    prefix = "asStar" if telescope == "lco25m" else "apStar"
    return f"{root}/redux/{reduction}/stars/{folder}/{prefix}-{reduction}-{row['star_id']}.fits"
