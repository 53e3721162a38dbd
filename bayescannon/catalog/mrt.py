"""Text tables with a description of every byte: the AAS's, and the pair that CDS archives."""

import io
import json
from pathlib import Path
from textwrap import fill

from astropy.table import QTable

from bayescannon import flags
from bayescannon.catalog.paper import paper_table

TITLE = "Masses and ages of red giants from their spectra"
RULE, DOUBLE = "-" * 80, "=" * 80
README, DATA = "ReadMe", "catalog.dat"


def write_mrt(table: QTable, path: Path) -> None:
    """Write a machine-readable table of the AAS: title, authors, byte-by-byte, notes, rows."""
    described, rows, _ = _laid_out(table)
    head = [f"Title: {_title(table)}", f"Authors: {_authors(table)}", "Table: Catalogue"]
    text = [*head, DOUBLE, described, *_notes(table), RULE, rows]
    path.write_text("\n".join(text), encoding="utf-8")


def write_cds(table: QTable, path: Path) -> None:
    """Write a folder with `ReadMe` and `catalog.dat`, as the CDS archives a catalogue."""
    described, rows, count = _laid_out(table)
    length = max(map(len, rows.splitlines()), default=0)
    files = f"{README:<12} 80        .  This file\n{DATA:<12}{length:>3}{count:>9}  Catalogue"
    text = [
        _title(table),
        f"    {_authors(table)}",
        DOUBLE,
        "Description:",
        _indented("Made by bayescannon (Ness et al. 2016, with full posteriors)."),
        "",
        "File Summary:",
        RULE,
        " FileName  Lrecl  Records   Explanations",
        RULE,
        files,
        RULE,
        "",
        described,
        "",
        *_notes(table),
        DOUBLE,
        f"(End){_authors(table):>75}",
    ]
    path.mkdir()
    (path / README).write_text("\n".join(text) + "\n", encoding="utf-8")
    (path / DATA).write_text(rows, encoding="utf-8")


def _laid_out(table: QTable) -> tuple[str, str, int]:
    """Give the byte-by-byte description, the rows, and how many there are."""
    written = io.StringIO()
    paper_table(table).write(written, format="ascii.mrt")
    _, rest = written.getvalue().split(DOUBLE + "\n", 1)
    described, rows = rest.split(f"Notes:\n{RULE}\n", 1)
    return described.rstrip("\n").replace("table.dat", DATA), rows, len(table)


def _title(table: QTable) -> str:
    return str(table.meta.get("title", TITLE))


def _authors(table: QTable) -> str:
    return str(table.meta.get("authors", "(authors)"))


def _notes(table: QTable) -> list[str]:
    """What the bits of the flags mean, and what made the table."""
    bits = "; ".join(f"{int(flag)}: {words}" for flag, words in flags.MEANING.items())
    made = json.dumps(table.meta, sort_keys=True, default=str)
    return ["Notes:", _indented(f"Flags is the sum of {bits}."), _indented(f"Made by {made}")]


def _indented(text: str) -> str:
    return fill(text, 80, initial_indent="  ", subsequent_indent="  ")
