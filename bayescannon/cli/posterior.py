"""`infer`."""

from pathlib import Path
from typing import Annotated

import typer

from bayescannon.cli.console import (
    ModelPath,
    Overwrite,
    Seed,
    console,
    log,
    posterior_table,
    progress,
)
from bayescannon.cli.data import expand
from bayescannon.errors import UserError, plural
from bayescannon.files import check_output
from bayescannon.marks import POSTERIOR
from bayescannon.model import load
from bayescannon.model.checks import data_mark
from bayescannon.posterior import infer as infer_labels
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra
from bayescannon.spectra.ingest import ingest_files


def infer(
    spectra: Annotated[
        list[Path], typer.Argument(help="A spectra store (.zarr), or apStar/aspcapStar files.")
    ],
    model: ModelPath,
    out: Annotated[Path, typer.Option(help="Posterior store to write.")] = Path("posteriors.zarr"),
    method: Annotated[
        str, typer.Option(help="auto, laplace, importance, nuts, or reference (slow).")
    ] = "auto",
    prior: Annotated[
        str | None, typer.Option(help="population or flat; the model's own without.")
    ] = None,
    draws: Annotated[int, typer.Option(min=2, help="Posterior draws per star.")] = 500,
    overwrite: Overwrite = False,
    seed: Seed = 0,
) -> None:
    """Sample the posterior of the labels of every star."""
    check_output(out, POSTERIOR, overwrite)
    trained = load(model)
    store = spectra_for(trained.recipe, spectra)
    with progress("stars", len(store)) as update:
        post = infer_labels(trained, store, method, prior, draws, seed, out, update, overwrite)
    console.print(posterior_table(post))
    stars = plural(len(store), f"{data_mark(post.attrs)} star".lstrip())
    console.print(f"posteriors of {stars} in {out}")
    console.print(post.attrs["certificate"])


def spectra_for(recipe: Recipe, paths: list[Path], visits: bool = False) -> Spectra:
    """Open a store, or read files as the recipe says."""
    if len(paths) == 1 and (paths[0].suffix == ".zarr" or (paths[0] / "zarr.json").is_file()):
        return Spectra.open(paths[0])
    done = ingest_files(expand(paths), recipe.pixels, visits=visits)
    for row in done.quarantine:
        log.print(f"left out: {row['reason']}", style="yellow")
    if not len(done.spectra):
        raise UserError("no spectrum could be read")
    return done.spectra
