"""`select`: which stars of a catalogue the paper's selection takes, and why not the others."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from astropy.table import QTable, Table

from bayescannon.cli.console import console
from bayescannon.data import apokasc
from bayescannon.errors import UserError
from bayescannon.files import write_beside
from bayescannon.labels import CarbonNitrogenRegion, paper_selection
from bayescannon.spectra import read_all_star
from bayescannon.words import plural

FORMATS = {".fits": "fits", ".ecsv": "ascii.ecsv", ".parquet": "parquet", ".vot": "votable"}


def select(
    catalog: Annotated[Path, typer.Argument(help="Catalogue that `catalog` wrote.")],
    all_star: Annotated[
        Path | None, typer.Option(help="allStar table with [C/M], [N/M]: select by them, too.")
    ] = None,
    out: Annotated[Path, typer.Option(help=".ecsv file to write.")] = Path("selection.ecsv"),
) -> None:
    """Say for each star whether the paper selects it, or which cuts it fails; none is removed.

    The box of labels is that of Ness et al. (2016); with --all-star the star must also lie where
    [C/N] and [(C+N)/M] of the 1502 training giants do at its [Fe/H] (`bc.paper_selection`).
    """
    if catalog.suffix not in FORMATS:
        raise UserError(f"{catalog}: give a catalogue as one of {', '.join(FORMATS)}")
    if not catalog.exists():
        raise UserError(f"{catalog}: no such file; make one with `bayescannon catalog`")
    table, region = QTable.read(catalog, format=FORMATS[catalog.suffix]), None
    if all_star is not None:
        table = _with_abundances(table, read_all_star(all_star))
        region = CarbonNitrogenRegion.fit(apokasc())
    found = paper_selection(table, region)
    with write_beside(out) as beside:
        found.write(beside, format="ascii.ecsv")
    console.print(
        f"{found['selected'].sum()} of {plural(len(found), 'star')} selected; reasons in {out}"
    )
    reasons = Counter(name for why in found["why_not"] for name in why.split(",") if name)
    for name, count in reasons.most_common():
        console.print(f"  {name:<16} {count}")


def _with_abundances(table: QTable, all_star: Table) -> QTable:
    """Give each star the [C/M] and [N/M] of its first row in allStar; NaN where it has none."""
    row = {name: k for k, name in reversed(list(enumerate(map(str, all_star["star_id"]))))}
    place = np.array([row.get(str(name), -1) for name in table["star_id"]])
    for name in ("c_m", "n_m"):
        if name not in all_star.colnames:
            raise UserError(f"the allStar table has no {name}: select without --all-star")
        table[name] = np.where(place < 0, np.nan, np.asarray(all_star[name], float)[place])
    return table
