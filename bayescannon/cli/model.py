"""`train` and `crossval`."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bayescannon.calibration import verdict_of
from bayescannon.cli.console import Overwrite, Seed, console, log, progress, text_table
from bayescannon.cli.join import AllStar, Cut, Seismic, training_data
from bayescannon.cli.report import report
from bayescannon.errors import plural
from bayescannon.files import output
from bayescannon.labels import read_labels
from bayescannon.marks import CROSSVAL, MODEL
from bayescannon.model import train as train_model
from bayescannon.model.store import save_or_spare
from bayescannon.plots.labels import draw_one_to_one
from bayescannon.plots.style import save
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra
from bayescannon.training import MAX_ROUNDS, Round
from bayescannon.validation import (
    FOLDS,
    CrossValidation,
    certify,
    check_folds,
    cross_validate,
)
from bayescannon.validation.crossval import remove_folds

SpectraPath = Annotated[Path, typer.Option(help="Spectra store (.zarr).")]
LABELS = "Label table: star_id, a column for each label, <label>_err if known."
LabelsPath = Annotated[Path, typer.Option(help=LABELS)]
RecipePath = Annotated[
    Path, typer.Option(help="Recipe (TOML), or the name of a shipped model whose recipe to take.")
]


def train(
    spectra: Annotated[Path, typer.Option(help="Spectra store (.zarr), or a folder of files.")],
    recipe: RecipePath,
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    labels: Annotated[Path | None, typer.Option(help=LABELS)] = None,
    allstar: AllStar = None,
    seismic: Seismic = None,
    cut: Cut = None,
    certificate: Annotated[
        bool,
        typer.Option(
            "--certificate/--no-certificate",
            help="Whether to cross-validate, and to keep with the model how often intervals hold.",
        ),
    ] = True,
    overwrite: Overwrite = False,
    seed: Seed = 0,
) -> None:
    """Train a model, and certify it: how often do its intervals hold stars that it has not seen?

    Labels come from one table, or are joined: from --allstar, and masses from --seismic, whose
    stars are matched by APOGEE id, SDSS id or KIC number; then the paper's cuts are applied.
    """
    with output(out, MODEL, overwrite) as beside:
        settings = Recipe.load(recipe)
        store, table = training_data(spectra, labels, allstar, seismic, cut, settings)
        if certificate:
            check_folds(table, settings, store.star_id, FOLDS)
        with training_progress(settings, store.data.sizes["pixel"]) as (update, report_round):
            model = train_model(store, table, settings, update, report_round)
        save_or_spare(model.save, beside, out.name)
    trained = model.report or {}
    report.facts |= {"model": model.id, "training": trained}
    console.print(
        f"model {model.id} in {out}: {plural(trained['stars'], 'star')}, "
        f"{plural(trained['pixels']['ok'], 'pixel')}, {trained['seconds']:.1f} s"
    )
    for line in trained.get("warnings", []):
        log.print(f"note: {line}", style="yellow")
    if certificate:
        with progress("certificate: folds", FOLDS) as update:
            model = certify(model, store, table, FOLDS, seed, update)
        save_or_spare(partial(model.save, overwrite=True), out, out.name)
    console.print(verdict_of(model.certificate))


@contextmanager
def training_progress(
    recipe: Recipe, n_pixel: int
) -> Generator[tuple[Callable[[int], None], Callable[[Round], None]]]:
    """Show pixels done, or, for noisy labels, rounds done and what each of them did."""
    if not recipe.training.noisy_labels:
        with progress("training pixels", n_pixel) as update:
            yield update, show_round
        return
    with progress("training rounds, at most", MAX_ROUNDS) as update:
        done = count(1)

        def report_round(r: Round) -> None:
            show_round(r)
            update(next(done))

        yield lambda _: None, report_round


def show_round(r: Round) -> None:
    """Say what a round of joint training did."""
    log.print(
        f"ln likelihood a star {r.objective:.3f}, labels moved by at most {max(r.moved):.3f} sd, "
        f"{plural(r.factors, 'factor')}",
        style="dim",
    )


def crossval(
    spectra: SpectraPath,
    labels: LabelsPath,
    recipe: RecipePath,
    out: Annotated[
        Path, typer.Option(help="Folder for crossval.ecsv, crossval.json and crossval.png.")
    ],
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 10,
    truth: Annotated[
        Path | None, typer.Option(help="Label table to judge against, if better than LABELS.")
    ] = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
) -> None:
    """Infer every star with a model that has not seen it, and say how well that went.

    Folds are kept in OUT.folds until all are done: the same command goes on where it stopped.
    """
    with output(out, CROSSVAL, overwrite) as beside:
        store, table, settings = Spectra.open(spectra), read_labels(labels), Recipe.load(recipe)
        better = read_labels(truth) if truth else None
        kept = out.with_name(out.name + ".folds")
        with progress("cross-validation folds", folds) as update:
            result = cross_validate(store, table, settings, folds, seed, better, update, kept)
        beside.mkdir()
        result.table().write(beside / "crossval.ecsv")
        statistics = {name: j.as_dict() for name, j in result.statistics.items()}
        text = json.dumps({"folds": folds, "seed": seed, "labels": statistics}, indent=1)
        (beside / "crossval.json").write_text(text + "\n", encoding="utf-8")
        columns = (result.truth, result.mean, result.labels, np.hypot(result.sd, result.error))
        save(draw_one_to_one(*columns, heading="Cross-validation"), beside / "crossval.png")
    remove_folds(kept)
    report.facts["labels"] = statistics
    console.print(statistics_table(result, f"{folds}-fold cross-validation"))


def statistics_table(result: CrossValidation, title: str) -> str:
    """Lay out the statistics of a cross-validation, one row a label."""
    heads = (
        "label",
        "stars",
        "bias",
        "rms",
        "robust",
        "z",
        "68 %\nholds",
        "slope",
        "truth\non mean",
    )
    rows = [
        (
            name,
            str(j.n),
            *(f"{x:.3g}" for x in (j.bias, j.rms, j.robust, j.z)),
            f"{100 * j.coverage68:.0f} %",
            f"{j.slope:.2f}",
            f"{j.truth_on_mean:.2f}",
        )
        for name, j in result.statistics.items()
    ]
    return text_table(heads, rows, title)
