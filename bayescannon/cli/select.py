"""`select`: which stars of a catalogue the paper's selection takes, and why not the others."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from astropy.table import Table

from bayescannon.cli.console import Overwrite, console
from bayescannon.columns import need
from bayescannon.data import apokasc
from bayescannon.errors import UserError, plural
from bayescannon.files import check_output, output
from bayescannon.labels import CarbonNitrogenRegion, paper_selection
from bayescannon.marks import SELECTION
from bayescannon.spectra import read_all_star
from bayescannon.star_ids import as_ids, match
from bayescannon.tables import read_table


def select(
    catalog: Annotated[Path, typer.Argument(help="Catalogue that `catalog` wrote.")],
    all_star: Annotated[
        Path | None, typer.Option(help="allStar table with [C/M], [N/M]: select by them, too.")
    ] = None,
    out: Annotated[Path, typer.Option(help=".ecsv file to write.")] = Path("selection.ecsv"),
    overwrite: Overwrite = False,
) -> None:
    """Say for each star whether the paper selects it, or which cuts it fails; none is removed.

    The box of labels is that of Ness et al. (2016); with --all-star the star must also lie where
    [C/N] and [(C+N)/M] of the 1502 training giants do at its [Fe/H] (`bc.paper_selection`).
    """
    check_output(out, SELECTION, overwrite)
    what = "file; make one with `bayescannon catalog`"
    table, region = read_table(catalog, what=what), None
    if all_star is not None:
        table = _with_abundances(table, read_all_star(all_star))
        region = CarbonNitrogenRegion.fit(apokasc())
    found = paper_selection(table, region)
    found.meta["creator"] = SELECTION.creator
    with output(out, SELECTION, overwrite) as beside:
        found.write(beside, format="ascii.ecsv")
    console.print(
        f"{found['selected'].sum()} of {plural(len(found), 'star')} selected; reasons in {out}"
    )
    reasons = Counter(name for why in found["why_not"] for name in why.split(",") if name)
    for name, count in reasons.most_common():
        console.print(f"  {name:<16} {count}")


def _with_abundances(table: Table, all_star: Table) -> Table:
    """Give each star the [C/M] and [N/M] of its row in allStar; NaN where it has none."""
    place = match(all_star["star_id"], as_ids(table[need(table, "star_id")]))
    for name in ("c_m", "n_m"):
        if name not in all_star.colnames:
            raise UserError(f"the allStar table has no {name}: select without --all-star")
        known = np.append(np.asarray(all_star[name], float), np.nan)
        table[name] = known[place]  # the last where place is -1
    return table
