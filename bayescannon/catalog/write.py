"""Write a catalogue in the formats that astronomers read."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table

from ..errors import UserError
from ..files import write_beside
from .glossary import column
from .paper import paper_table


def write_catalog(table: QTable, path: str | os.PathLike) -> None:
    """Write a table in the format that the suffix names.

    Parameters
    ----------
    table : QTable
        From `build_catalog` or `run_catalog`.
    path : path
        `.fits` (comments and UCDs in TCOMM and TUCD cards), `.ecsv`, `.parquet`, `.vot` (VOTable),
        or `.mrt` (machine-readable table with the columns of Table 1 of Ness et al. 2016; see
        `paper_table`).

    Raises
    ------
    UserError
        If the suffix is another.
    """
    check_suffixes([path])
    with write_beside(path) as beside:
        WRITERS[Path(path).suffix](table, beside)


def check_suffixes(paths: Iterable[str | os.PathLike]) -> None:
    """Refuse paths that `write_catalog` would refuse, before the work is done."""
    for path in paths:
        suffix = Path(path).suffix
        if suffix not in WRITERS:
            known = ", ".join(WRITERS)
            raise UserError(f"{path}: cannot write {suffix or 'no suffix'}; use one of {known}")


def _write_ecsv(table: QTable, path: Path) -> None:
    table.write(path, format="ascii.ecsv")


def _write_parquet(table: QTable, path: Path) -> None:
    Table(table, copy=False).write(path, format="parquet")


def _write_votable(table: QTable, path: Path) -> None:
    plain = _without_dex(table)
    plain.meta = {"description": "bayescannon catalogue. " + _run(table)}
    for name in plain.colnames:
        plain[name].meta = {"ucd": column(name).ucd}
    plain.write(path, format="votable")


def _write_mrt(table: QTable, path: Path) -> None:
    paper_table(table).write(path, format="ascii.mrt")


def _without_dex(table: QTable) -> Table:
    """Say dex in the description: the standards of FITS and VOTable do not have it as a unit."""
    plain = Table(table, copy=False)
    for name in plain.colnames:
        if plain[name].unit == u.dex:
            plain[name].unit = None
            plain[name].description += " [dex]"
    return plain


def _run(table: QTable) -> str:
    """What made the table, as one line."""
    return json.dumps(table.meta, sort_keys=True, default=str)


def _write_fits(table: QTable, path: Path) -> None:
    plain = _without_dex(table)
    plain.meta = {}  # nested values do not fit FITS cards: they go to one long JSON card
    hdu = fits.table_to_hdu(plain)
    hdu.name = "CATALOG"
    for i, name in enumerate(table.colnames, 1):
        # FITS has no standard for column descriptions: TCOMM and TUCD are what readers look for
        hdu.header[f"TCOMM{i}"] = plain[name].description
        hdu.header[f"TUCD{i}"] = column(name).ucd
    hdu.header["BCMETA"] = _run(table)
    hdu.writeto(path)


WRITERS: dict[str, Callable[[QTable, Path], None]] = {
    ".fits": _write_fits,
    ".ecsv": _write_ecsv,
    ".parquet": _write_parquet,
    ".vot": _write_votable,
    ".mrt": _write_mrt,
}
