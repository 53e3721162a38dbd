"""`train` and `crossval`."""

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..files import write_beside
from ..labels import read_labels
from ..model import train as train_model
from ..recipe import Recipe
from ..spectra import Spectra
from ..train import Round
from ..validate import CrossValidation, cross_validate
from .console import Seed, UnusedSeed, console, progress

SpectraPath = Annotated[Path, typer.Option(help="Spectra store (.zarr).")]
LabelsPath = Annotated[
    Path, typer.Option(help="Label table: star_id, a column for each label, <label>_err if known.")
]
RecipePath = Annotated[Path, typer.Option(help="Recipe (TOML): which labels, which degree.")]


def train(
    spectra: SpectraPath,
    labels: LabelsPath,
    recipe: RecipePath,
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    seed: UnusedSeed = 0,
) -> None:
    """Train a model: coefficients and scatter of every pixel."""
    store, table, settings = Spectra.open(spectra), read_labels(labels), Recipe.load(recipe)
    with progress("training pixels", store.data.sizes["pixel"]) as update:
        shown = lambda r: console.print(round_line(r))  # noqa: E731
        model = train_model(store, table, settings, update, shown)
    model.save(out)
    report = model.report or {}
    console.print(
        f"model {model.id} in {out}: {report['stars']} stars, {report['pixels']['ok']} pixels, "
        f"{report['seconds']:.1f} s"
    )


def round_line(r: Round) -> str:
    """Say what a round of joint training did."""
    return (
        f"ln likelihood a star {r.objective:.3f}; labels moved by at most {max(r.moved):.3f} sd; "
        f"{r.factors} factors"
    )


def crossval(
    spectra: SpectraPath,
    labels: LabelsPath,
    recipe: RecipePath,
    out: Annotated[Path, typer.Option(help="Folder for crossval.ecsv and crossval.json.")],
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 10,
    truth: Annotated[
        Path | None, typer.Option(help="Label table to judge against, if better than LABELS.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Infer every star with a model that has not seen it, and say how well that went.

    Folds are kept in OUT.folds until all are done: the same command goes on where it stopped.
    """
    store, table, settings = Spectra.open(spectra), read_labels(labels), Recipe.load(recipe)
    better = read_labels(truth) if truth else None
    kept = out.with_name(out.name + ".folds")
    with progress("cross-validation folds", folds) as update:
        result = cross_validate(store, table, settings, folds, seed, better, update, kept)
    with write_beside(out) as beside:
        beside.mkdir()
        result.table().write(beside / "crossval.ecsv")
        statistics = {name: j.as_dict() for name, j in result.statistics.items()}
        text = json.dumps({"folds": folds, "seed": seed, "labels": statistics}, indent=1)
        (beside / "crossval.json").write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(kept)
    console.print(statistics_table(result, f"{folds}-fold cross-validation"))


def statistics_table(result: CrossValidation, title: str) -> Table:
    """Lay out the statistics of a cross-validation, one row a label."""
    table = Table(title=title)
    for name in ("label", "stars", "bias", "rms", "robust", "z-width", "68 % holds", "slope"):
        table.add_column(name, justify="right" if name != "label" else "left")
    for name, j in result.statistics.items():
        numbers = [f"{x:.3g}" for x in (j.bias, j.rms, j.robust, j.z)]
        table.add_row(name, str(j.n), *numbers, f"{100 * j.coverage68:.0f} %", f"{j.slope:.2f}")
    return table
