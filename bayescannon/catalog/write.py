"""Write a catalogue: FITS with comments and UCDs of its columns, or ECSV."""

import json
import os
from pathlib import Path

from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table

from ..errors import UserError
from ..files import write_beside
from .glossary import column


def write_catalog(table: QTable, path: str | os.PathLike) -> None:
    """Write a table in the format that the suffix names.

    Parameters
    ----------
    table : QTable
        From `build_catalog`.
    path : path
        `.fits` or `.ecsv`.

    Raises
    ------
    UserError
        If the suffix is another.
    """
    writers = {".fits": _write_fits, ".ecsv": _write_ecsv}
    suffix = Path(path).suffix
    if suffix not in writers:
        raise UserError(f"{path}: cannot write {suffix or 'no suffix'}; use {' or '.join(writers)}")
    with write_beside(path) as beside:
        writers[suffix](table, beside)


def _write_ecsv(table: QTable, path: Path) -> None:
    table.write(path, format="ascii.ecsv")


def _write_fits(table: QTable, path: Path) -> None:
    plain = Table(table, copy=False)
    plain.meta = {}  # nested values do not fit FITS cards: they go to one long JSON card
    for name in plain.colnames:
        if plain[name].unit == u.dex:
            plain[name].unit = None  # not a FITS unit: the comment says it
    hdu = fits.table_to_hdu(plain)
    hdu.name = "CATALOG"
    for i, name in enumerate(table.colnames, 1):
        entry = column(name)
        unit = " [dex]" if entry.unit == u.dex else ""
        # FITS has no standard for column descriptions: TCOMM and TUCD are what readers look for
        hdu.header[f"TCOMM{i}"] = entry.description + unit
        hdu.header[f"TUCD{i}"] = entry.ucd
    hdu.header["BCMETA"] = json.dumps(table.meta, sort_keys=True, default=str)
    hdu.writeto(path)
