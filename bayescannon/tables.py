"""Tables as users have them: files of many kinds, and what else in Python is a table."""

import csv
import io
import os
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.utils.data import get_readable_fileobj

from bayescannon.errors import UserError
from bayescannon.units import parsed_unit

FITS, PARQUET, HDF5, EXCEL = b"SIMPLE", b"PAR1", b"\x89HDF", b"PK\x03\x04"
BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
DELIMITERS = (",", ";", "\t")


def as_table(given: Any) -> Table:
    """Take an astropy table, a data frame, a record array or a dict of columns as a table.

    Raises
    ------
    UserError
        If it is none of these.
    """
    if isinstance(given, Table):
        return given
    if getattr(getattr(given, "index", None), "name", None) is not None:  # stars as the index
        given = given.reset_index()
    try:
        if hasattr(given, "columns") and not isinstance(given, np.ndarray):
            return Table({str(name): np.asarray(given[name]) for name in given.columns})
        return Table(given)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{type(given).__name__} is no table: give an astropy Table or a data frame"
        ) from error


def read_table(
    path: str | os.PathLike,
    keys: Sequence[str] = ("star_id",),
    columns: Sequence[str] | None = None,
    what: str = "file",
) -> Table:
    """Read a table: FITS, ECSV, CSV, TSV, VOTable, Parquet, MRT; text also compressed.

    Parameters
    ----------
    path : path
    keys : sequence of str
        Columns that name stars: read as words, and the HDU of a FITS file that has one is taken.
    columns : sequence of str, optional
        Of a FITS file read only these; an allStar table has some GB of others. In any case.
    what : str
        What it is, for the message if it is not there.

    Raises
    ------
    UserError
        If the file is missing or no table.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: no such {what}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # units are judged column by column
            return _read(path, keys, columns)
    except Exception as error:  # astropy's readers raise nearly every kind
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        kind = ": damaged or not a FITS table" if ".fit" in path.name.lower() else ""
        raise UserError(f"{path}: not a table that can be read{kind} ({reason})") from error


@contextmanager
def naming(path: str | os.PathLike) -> Generator[None]:
    """Put the name of the file before what is wrong with its table."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _read(path: Path, keys: Sequence[str], columns: Sequence[str] | None) -> Table:
    with get_readable_fileobj(path, encoding="binary") as file:
        start = file.read(6)
        if start == FITS:
            return _read_fits(path, keys, columns)
        if ".fit" in path.name.lower():
            raise ValueError("it does not begin as a FITS file")
        if start.startswith(EXCEL):
            raise ValueError("a workbook: save it as CSV")
        if start.startswith((PARQUET, HDF5)):
            return Table.read(path)
        raw = start + file.read()
    text = raw.decode(BOMS.get(raw[:2], "utf-8-sig"))
    if text.lstrip().startswith("<"):
        return Table.read(io.BytesIO(text.encode()), format="votable")
    if text.startswith("# %ECSV"):
        return Table.read(text, format="ascii.ecsv")
    if text.startswith("Title:"):
        return Table.read(text, format="ascii.mrt")
    return _read_text(text, keys)


def _read_text(text: str, keys: Sequence[str]) -> Table:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not text.strip():
        raise ValueError("it is empty")
    head = lines[0] if lines else ""
    delimiter = max(DELIMITERS, key=head.count)
    if not head.count(delimiter):
        return Table.read(text.splitlines(), format="ascii")
    names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter))]
    # an id of digits keeps its zeros
    words = {name: str for name in names if name.lower() in {key.lower() for key in keys}}
    known = {"format": "ascii.csv", "delimiter": delimiter, "guess": False, "names": names}
    return Table.read(lines, converters=words, **known)


def _read_fits(path: Path, keys: Sequence[str], columns: Sequence[str] | None) -> Table:
    wanted = {key.lower() for key in keys}
    with fits.open(path, memmap=columns is not None) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
        if not tables:
            raise ValueError("it holds no table")
        keyed = [hdu for hdu in tables if wanted & set(map(str.lower, hdu.columns.names))]
        # of one instrument a summary of SDSS-V has a table without rows
        hdu = next((hdu for hdu in keyed if hdu.header["NAXIS2"]), (keyed or tables)[0])
        if columns is None:
            return Table.read(hdu)
        few = {name.lower() for name in columns}
        found = [name for name in hdu.columns.names if name.lower() in few]
        table = Table()
        for name in found:
            values, about = np.array(hdu.data[name]), hdu.columns[name]
            none = values == about.null if isinstance(about.null, int) else False
            unit = parsed_unit(about.unit) if about.unit else None
            table[name] = MaskedColumn(values, mask=none, unit=unit)
        return table
