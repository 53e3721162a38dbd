"""Read a catalogue back, from every format that `write_catalog` writes."""

import json
import os
from pathlib import Path

import numpy as np
from astropy.table import QTable, Table

from bayescannon.catalog.build import described
from bayescannon.catalog.glossary import is_column
from bayescannon.catalog.mrt import DATA, README
from bayescannon.columns import words
from bayescannon.plain import plain
from bayescannon.tables import read_table


def read_catalog(path: str | os.PathLike) -> QTable:
    """Read a catalogue.

    Parameters
    ----------
    path : path
        What `write_catalog` or `bayescannon catalog` wrote: FITS, ECSV, CSV, Parquet, VOTable,
        machine-readable table, or the folder of a CDS pair.

    Returns
    -------
    QTable
        Columns with units and descriptions, also where the format cannot hold them; `meta` says
        what made it (see the page on columns).

    Raises
    ------
    UserError
        If there is no such file, or it is no table.
    """
    path = Path(path)
    if path.is_dir():
        return QTable.read(path / DATA, format="ascii.cds", readme=path / README)
    raw = read_table(path, what="catalogue")
    if "star_id" not in raw.colnames:  # the columns of the paper's Table 1
        return QTable(raw)
    table = described((name, _values(raw, name)) for name in raw.colnames if is_column(name))
    for name in raw.colnames:
        if not is_column(name):
            table[name] = raw[name]
    table = table[raw.colnames]
    table.meta = _meta(path, raw)
    return table


def _values(table: Table, name: str) -> np.ndarray:
    values = plain(table[name])
    if values.dtype.kind == "f":
        return np.ma.filled(values, np.nan)
    if values.dtype.kind == "U":
        found = words(table, name)
        return found == "true" if name == "good" else found
    return np.ma.getdata(values)


def _meta(path: Path, table: Table) -> dict:
    """What made the catalogue, from wherever its format keeps that."""
    text = table.meta.get("BCMETA") or table.meta.get("description")
    if text is None and path.suffix.lower() == ".csv":
        with path.open(encoding="utf-8") as file:
            text = file.readline()
    _, brace, rest = str(text or "").partition("{")
    return json.loads(brace + rest) if brace else dict(table.meta)
