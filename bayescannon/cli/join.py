"""What `train` is given: a label table, or a survey's table and seismic masses to be joined."""

from pathlib import Path
from typing import Annotated

import typer
from astropy.table import Table

from bayescannon.cli.console import console, text_table
from bayescannon.cli.posterior import spectra_for
from bayescannon.errors import UserError
from bayescannon.labels import CUTS, TrainingSet, read_labels, training_set
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra

AllStar = Annotated[
    Path | None,
    typer.Option("--allstar", help="Instead of --labels: the survey's table, DR12 to SDSS-V."),
]
Seismic = Annotated[
    Path | None,
    typer.Option(help="With --allstar: table with mass, or numax and dnu, of the same stars."),
]
Cut = Annotated[
    list[str] | None,
    typer.Option(
        help=f"With --allstar: a cut of the paper, or none; all without: {', '.join(CUTS)}"
    ),
]


def training_data(
    spectra: Path,
    labels: Path | None,
    all_star: Path | None,
    seismic: Path | None,
    cuts: list[str] | None,
    recipe: Recipe,
) -> tuple[Spectra, Table]:
    """Open spectra, and read their labels or join them; say what became of the stars."""
    if (labels is None) == (all_star is None):
        raise UserError(
            "name a label table (--labels) or a survey's table (--allstar), one of them"
        )
    store = spectra_for(recipe, [spectra])
    if all_star is None:
        if seismic is not None or cuts:
            raise UserError("--seismic and --cut go with --allstar, not with --labels")
        return store, read_labels(labels or Path())
    wanted = CUTS if not cuts else [name for name in cuts if name != "none"]
    found = training_set(store, all_star, seismic, wanted)
    console.print(_told(found))
    return found.spectra, found.labels


def _told(found: TrainingSet) -> str:
    """Say how many stars each step left, and what each cut removed."""
    steps = ", ".join(f"{count} {step}" for step, count in found.counts.items())
    rows = [
        (row["criterion"], row["not_applied"])
        if row["not_applied"]
        else (row["criterion"], f"removes {row['removed']}, leaves {row['left']}")
        for row in found.cuts
    ]
    return f"stars: {steps}" + (f"\n{text_table(('cut', ''), rows)}" if rows else "")
