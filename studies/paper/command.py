"""`figures paper`: every figure and table of Ness et al. 2016 from a run."""

from pathlib import Path
from typing import Annotated

import typer

from bayescannon.cli.console import Seed, console, log
from bayescannon.cli.lazy import plain_app
from bayescannon.errors import UserError
from bayescannon.files import work_in
from bayescannon.marks import PAPER
from studies.paper import ITEMS, Source, make_item, write_item

app = plain_app()


@app.command()
def paper(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("paper"),
    only: Annotated[
        list[str] | None, typer.Option(help="Item to make: fig7, table1; may be repeated.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of a finished `demo` or `catalog`; what ships, without."),
    ] = None,
    stars: Annotated[
        int, typer.Option(min=100, help="Stars of the mock Milky Way; the paper has 70000.")
    ] = 6000,
    seed: Seed = 0,
) -> None:
    """Make the figures and tables of Ness et al. 2016, each with a caption and its numbers."""
    names = only or list(ITEMS)
    for name in names:
        if name not in ITEMS:
            raise UserError(f"--only {name}: no such item; there are {', '.join(ITEMS)}")
    source = Source(run, seed, stars)
    with work_in(out, PAPER) as folder:
        for name in names:
            with log.status(f"{name} ..."):
                item = make_item(name, source)
                write_item(folder, name, item)
            what = ", ".join([f"{stem}.png" for stem in item.figures] + list(item.tables))
            console.print(f"{name:<9} {what or item.caption.strip()}")
