"""What the paper's items are made into: pictures, a caption, its numbers, tables."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from astropy.table import Table
from matplotlib.figure import Figure

from bayescannon.errors import UserError
from bayescannon.files import write_beside
from bayescannon.plots.style import save


class NotHere(UserError):
    """An item needs what this run does not have; the message says what, and how to get it."""


class Item(NamedTuple):
    """A figure or table of Ness et al. 2016, made again."""

    figures: Mapping[str, Figure]
    """File stem -> figure: `fig7`, or `fig3a`, `fig3b` where one item needs several files."""
    caption: str
    """Markdown: what is drawn, cuts and counts, what the paper found, how ours differs and why."""
    numbers: Mapping[str, float | str]
    """Every figure that the caption quotes, under a plain name."""
    tables: Mapping[str, Table] = {}
    """File name with its suffix -> table: `table1.mrt`, `fig3.ecsv`."""

    @classmethod
    def refused(cls, reason: NotHere) -> "Item":
        """Make the item that cannot be made: a caption that says why."""
        return cls({}, f"Not made: {reason}\n", {"not_made": str(reason)})


def write_item(folder: Path, name: str, item: Item) -> None:
    """Write an item: pictures, `<name>.md`, `<name>.json`, tables; each is renamed into place.

    Pictures of the same item that an earlier run left and this one did not make are removed.

    Parameters
    ----------
    folder : Path
        Where to; made when missing.
    name : str
        Of the item: `fig7`.
    item : Item
    """
    for stem, figure in item.figures.items():
        save(figure, folder / f"{stem}.png")
    for file, table in item.tables.items():
        suffix = Path(file).suffix
        kinds = {".ecsv": "ascii.ecsv", ".mrt": "ascii.mrt", ".csv": "ascii.csv"}
        with write_beside(folder / file) as beside:
            table.write(beside, format=kinds[suffix])
    with write_beside(folder / f"{name}.md") as beside:
        beside.write_text(item.caption.strip() + "\n", encoding="utf-8")
    with write_beside(folder / f"{name}.json") as beside:
        text = json.dumps(dict(item.numbers), indent=1, sort_keys=True, default=float)
        beside.write_text(text + "\n", encoding="utf-8")
    for old in folder.glob(f"{name}*.png"):
        if re.fullmatch(rf"{name}[a-z]?", old.stem) and old.stem not in item.figures:
            old.unlink()
