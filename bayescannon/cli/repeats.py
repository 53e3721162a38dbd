"""`repeats`: photon errors from visits of the same stars."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bayescannon.cli.console import ModelPath, NoSeed, Overwrite, console, text_table
from bayescannon.cli.posterior import spectra_for
from bayescannon.errors import plural
from bayescannon.files import check_output, output
from bayescannon.marks import REPEATS
from bayescannon.model import Model
from bayescannon.validation import Repeats
from bayescannon.validation import repeats as learn


def repeats(
    spectra: Annotated[
        list[Path], typer.Argument(help="A store of visits (.zarr), or apStar/asStar files.")
    ],
    model: ModelPath,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("repeats.json"),
    overwrite: Overwrite = False,
    seed: NoSeed = 0,
) -> None:
    """Compare the scatter between visits of the same stars with the errors that are stated.

    Learns how photon errors should be scaled, for the recipe: no labels are needed.
    """
    check_output(out, REPEATS, overwrite)
    trained = Model.load(model)
    found = learn(trained, spectra_for(trained.recipe, spectra, visits=True))
    with output(out, REPEATS, overwrite) as beside:
        beside.write_text(found.to_json(), encoding="utf-8")
    show(found)
    console.print(f"{plural(found.visits, 'visit')} of {plural(found.stars, 'star')}: {out}")


def show(found: Repeats) -> None:
    """Print scatter over stated error, label by label, and the lines for the recipe."""
    heads = ("label", "scatter", "stated", "scatter/\nstated", "scatter/\nlearned", "robust")
    rows = []
    for name, now in found.before.items():
        then = found.after[name]
        numbers = f"{now.scatter:.3g}", f"{now.stated:.3g}"
        ratios = (f"{x.ratio:.2f} +- {x.error:.2f}" for x in (now, then))
        rows.append((name, *numbers, *ratios, f"{then.robust:.2f}"))
    pixel, law = np.nanmedian(found.pixel_ratio), found.pixel_law
    console.print(text_table(heads, rows, "scatter between visits over photon errors"))
    console.print(
        f"single pixels: {pixel:.2f} (median); noise of neighbours correlates by ", end=""
    )
    console.print(", ".join(f"{r:.2f} at {lag}" for lag, r in found.correlation.items()))
    if found.photon_floor > law.floor:
        console.print(
            f"correlated noise: single pixels need a floor of {law.floor:.4f}, labels one of "
            f"{found.photon_floor:.4f}"
        )
    console.print(f"for the recipe:\n{found.recipe}")
