"""Write a catalogue in the formats that astronomers read."""

import io
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
from astropy import units as u
from astropy.io import fits
from astropy.table import Column, QTable, Table

from bayescannon.catalog.build import described
from bayescannon.catalog.glossary import column, is_column
from bayescannon.catalog.mrt import write_cds, write_mrt
from bayescannon.files import output
from bayescannon.marks import CATALOG, CDS, Kind
from bayescannon.spectra.headers import BLOCK
from bayescannon.star_ids import as_ids, fits_ids

FAILED = b"failed"
FITS_ROWS = 8192


def write_catalog(table: QTable, path: str | os.PathLike, overwrite: bool = False) -> None:
    """Write a table in the format that the suffix names.

    Parameters
    ----------
    table : QTable
        From `build_catalog` or `run_catalog`.
    path : path
        `.fits` (comments and UCDs in TCOMM and TUCD cards), `.ecsv`, `.parquet`, `.vot` (VOTable),
        or `.mrt` (machine-readable table with the columns of Table 1 of Ness et al. 2016; see
        `paper_table`).
    overwrite : bool
        Replace a catalogue that is there; nothing else is ever replaced.

    Raises
    ------
    UserError
        If the suffix is another, or the file may not be written.
    """
    named = _with_ids(table, as_ids(table["star_id"]))
    named.meta = {"creator": CATALOG.creator} | named.meta
    with output(path, kind_of(path), overwrite) as beside:
        WRITERS[beside.suffix.lower()](named, beside)


def kind_of(path: str | os.PathLike) -> Kind:
    """Kind of output that the suffix names: a file, or the folder of a CDS pair."""
    return CDS if Path(path).suffix.lower() == ".cds" else CATALOG


def write_part(table: QTable, failed: dict[str, str], path: Path) -> None:
    """Write a block's rows as Parquet, units and descriptions included as astropy keeps them.

    Parameters
    ----------
    table : QTable
        From `build_catalog`.
    failed : dict
        Name of a star to the error that stopped it; `failed_stars` reads it back.
    path : path
    """
    names = tuple(table.colnames)
    schema = _schema(names, tuple(str(table[name].dtype) for name in names))
    if failed:
        schema = schema.with_metadata(schema.metadata | {FAILED: json.dumps(failed)})
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(_arrays(table), schema=schema), path)


def failed_stars(path: Path) -> dict[str, str]:
    """Read which stars of a part have failed, and why."""
    metadata = pyarrow.parquet.read_schema(path).metadata
    return json.loads(metadata.get(FAILED, "{}"))


def _arrays(table: QTable) -> list[pyarrow.Array]:
    plain = Table(table, copy=False)
    return [pyarrow.array(np.asarray(plain[name])) for name in plain.colnames]


@cache
def _schema(names: tuple[str, ...], types: tuple[str, ...]) -> pyarrow.Schema:
    """What astropy says of such columns: it takes longer over the words than over the rows."""
    columns = zip(names, (np.zeros(0, kind) for kind in types), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.parquet"
        Table(described(columns)).write(empty, format="parquet")
        return pyarrow.parquet.read_schema(empty)


def _write_ecsv(table: QTable, path: Path) -> None:
    table.write(path, format="ascii.ecsv")


def _write_csv(table: QTable, path: Path) -> None:
    with path.open("wb") as file:
        file.write(f"# {_run(table)}\n".encode())
        # words are quoted, so that X#2 is no comment
        pyarrow.csv.write_csv(pyarrow.Table.from_arrays(_arrays(table), table.colnames), file)


def _write_parquet(table: QTable, path: Path) -> None:
    Table(table, copy=False).write(path, format="parquet")


def _write_votable(table: QTable, path: Path) -> None:
    plain = _without_dex(table)
    plain.meta = {"description": "bayescannon catalogue. " + _run(table)}
    for name in plain.colnames:
        plain[name].meta = {"ucd": _ucd(name)}
    plain.write(path, format="votable")


def _ucd(name: str) -> str:
    return column(name).ucd if is_column(name) else ""  # an alias is no quantity of its own


def _without_dex(table: QTable) -> Table:
    """Say dex in the description: the standards of FITS and VOTable do not have it as a unit."""
    plain = Table(table, copy=False)
    for name in plain.colnames:
        if plain[name].unit == u.dex:
            plain[name].unit = None
            plain[name].description += " [dex]"
    return plain


def _with_ids[T: Table](table: T, names: np.ndarray) -> T:
    """Copy a table with its stars' names in another form."""
    out, about = table.copy(copy_data=False), table["star_id"].info
    out["star_id"] = Column(names, description=about.description, meta=about.meta)
    return out


def _run(table: QTable) -> str:
    """What made the table, as one line."""
    return json.dumps(table.meta, sort_keys=True, default=str)


def _write_fits(table: QTable, path: Path) -> None:
    plain = _with_ids(_without_dex(table), fits_ids(table["star_id"]))
    plain.meta = {}  # nested values do not fit FITS cards: they go to one long JSON card
    hdu = fits.table_to_hdu(plain[:0])
    hdu.name = "CATALOG"
    hdu.header["CREATOR"] = CATALOG.creator
    for i, name in enumerate(table.colnames, 1):
        # FITS has no standard for column descriptions: TCOMM and TUCD are what readers look for
        hdu.header[f"TCOMM{i}"] = plain[name].description
        hdu.header[f"TUCD{i}"] = _ucd(name)
    hdu.header["BCMETA"] = _run(table)
    hdu.header["NAXIS2"] = len(table)
    # astropy would hold the whole table three times
    with closing(fits.StreamingHDU(path, hdu.header)) as stream:
        for start in range(0, len(table), FITS_ROWS):
            stream.write(_as_stored(plain[start : start + FITS_ROWS]))


def _as_stored(rows: Table) -> np.ndarray:
    """Give the bytes of rows as FITS lays them out."""
    hdu, whole = fits.table_to_hdu(rows), io.BytesIO()
    hdu.writeto(whole)
    size = hdu.header["NAXIS1"] * len(rows)
    start = whole.tell() + -size // BLOCK * BLOCK  # what fills the last block follows
    return np.frombuffer(whole.getbuffer(), np.uint8, size, start)


WRITERS: dict[str, Callable[[QTable, Path], None]] = {
    ".fits": _write_fits,
    ".ecsv": _write_ecsv,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".vot": _write_votable,
    ".mrt": write_mrt,
    ".cds": write_cds,
}
