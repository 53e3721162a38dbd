"""`demo`: the main job on the data that ships with the package."""

import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import xarray as xr

from bayescannon.ages import infer_ages
from bayescannon.ages.known import age_from_mass
from bayescannon.calibration import pit_of_draws
from bayescannon.catalog import build_catalog, write_catalog
from bayescannon.catalog.block import in_single
from bayescannon.cli.console import Overwrite, Seed, console, progress, text_table
from bayescannon.cli.model import training_progress
from bayescannon.cli.report import report
from bayescannon.data import lines
from bayescannon.files import output
from bayescannon.flags import Tally
from bayescannon.labels import label_arrays
from bayescannon.marks import AGES, DEMO, put_mark
from bayescannon.model import Model, train
from bayescannon.plots.ages import draw_age_posteriors
from bayescannon.plots.calibration import draw_pit
from bayescannon.plots.labels import draw_corner, draw_one_to_one, draw_training_labels
from bayescannon.plots.model import draw_coefficients, draw_scatter
from bayescannon.plots.spectra import draw_spectrum
from bayescannon.plots.style import save
from bayescannon.plots.windows import unlike_paper_star
from bayescannon.posterior import infer, stack_draws
from bayescannon.recipe import Recipe
from bayescannon.simulate import Simulation, make_apokasc, make_mock
from bayescannon.trees import array, point_sd
from bayescannon.validation import CrossValidation, Judged, cross_validate, judge, posterior_columns

RECIPE, AGE_MODEL = "apokasc-mass", "apokasc-age"
TRAINING_STARS = 1639
STRIDE = 20
"""Cross-validation takes every so many-th pixel, so that the demo ends in some minutes."""
CROSSVAL_SAYS = (
    "Cross-validation has real masses: it tests that the scatter of catalogue masses about spectra "
    "is as large as training says, not whose scatter that is. Test stars have a truth, and do."
)
TEST_SEED = 1000
"""Added to the seed: test stars are none of the training stars."""
KEPT = 20
"""So many spectra of test stars are kept, to be drawn: those most like the paper's star."""


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    seed: Seed = 0,
    test_stars: Annotated[int, typer.Option(min=10, help="Mock stars with known truth.")] = 2000,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 3,
    overwrite: Overwrite = False,
) -> None:
    """Train on semi-synthetic giants, infer stars whose truth is known, and write their catalogue.

    The spectra are SEMI-SYNTHETIC. Training and test stars are `mock` ones, whose errors are as
    stated; cross-validation takes the `apokasc` ones, whose masses are real.
    """
    seconds: dict[str, float] = {}
    real = Recipe.load(RECIPE)
    recipe = replace(real, training=replace(real.training, noise_shares={}))
    with output(out, DEMO, overwrite) as beside:
        (beside / "figures").mkdir(parents=True)
        with _stage("simulate", "making semi-synthetic spectra", 2, seconds) as update:
            training = make_mock(TRAINING_STARS, seed)
            update(1)
            test = make_mock(test_stars, TEST_SEED + seed)
        n_pixel = training.spectra.data.sizes["pixel"]
        start = time.perf_counter()
        with training_progress(recipe, n_pixel) as shown:
            model = train(training.spectra, training.labels, recipe, *shown)
            model.save(beside / "model")
        seconds["train"] = time.perf_counter() - start
        title = f"folds of stars with real masses, every {STRIDE}th pixel"
        with _stage("crossval", title, folds, seconds) as update:
            giants = make_apokasc(seed)
            known = (giants.labels, real, folds, seed, giants.truth)
            validation = cross_validate(giants.spectra.every(STRIDE), *known, update)
        with _stage("infer", "posteriors of test stars", test_stars, seconds) as update:
            store = beside / "posteriors.zarr"
            post = infer(model, test.spectra, "importance", seed=seed, out=store, progress=update)
        with _stage("ages", "age posteriors", 1, seconds):
            ages = infer_ages(post)
            judged_ages = _judge_ages(test, post, seed)
            in_single(ages).to_zarr(beside / "ages.zarr", zarr_format=3, consolidated=False)
            put_mark(beside / "ages.zarr", AGES)
        with _stage(
            "ages_trained", "ages by a model trained on age", test_stars, seconds
        ) as update:
            by_age = infer(
                Model.load(AGE_MODEL),
                test.spectra,
                "importance",
                seed=seed,
                progress=update,
            )
        with _stage("catalog", "catalogue", 2, seconds) as update:
            table = build_catalog(post, ages, by_age)
            write_catalog(table, beside / "catalog.fits")
            update(1)
            write_catalog(table, beside / "catalog.ecsv")
        with _stage("figures", "figures", 1, seconds):
            _figures(beside / "figures", model, training, test, validation, post, ages)
        tally = Tally.of(table["flags"])
        validation.save(beside / "crossval.npz")
        giants.labels.write(beside / "training.ecsv")
        test.truth.write(beside / "truth.ecsv")
        truth, _ = label_arrays(test.truth, model.labels, test.spectra.star_id)
        near = np.sort(np.argsort(unlike_paper_star(truth, model), kind="stable")[:KEPT])
        test.spectra[near].save(beside / "spectra.zarr")
        summary = _summary(model, validation, test, post, ages, tally, seconds)
        summary |= {f"test.{k}.ln_age": v for k, v in judged_ages.as_dict().items()}
        text = json.dumps(summary, indent=1, sort_keys=True) + "\n"
        (beside / "summary.json").write_text(text, encoding="utf-8")
    report.facts |= summary
    console.print(_closing_table(summary))
    console.print(tally)
    console.print(CROSSVAL_SAYS)
    console.print(
        f"median age {summary['age.median']:.1f} Gyr, median age error "
        f"{summary['age.median_error_dex']:.2f} dex"
    )
    console.print(f"catalogue (FITS, ECSV), posteriors, model, figures and summary.json in {out}")


@contextmanager
def _stage(
    name: str, title: str, total: int, seconds: dict[str, float]
) -> Generator[Callable[[int], None]]:
    start = time.perf_counter()
    with progress(title, total) as update:
        yield update
    seconds[name] = time.perf_counter() - start


def judge_test(test: Simulation, post: xr.DataTree, names: tuple[str, ...]) -> dict[str, Judged]:
    """Compare posteriors of simulated stars with their truth, label by label."""
    truth, _ = label_arrays(test.truth, names, test.spectra.star_id)
    columns = posterior_columns(post, names).values()
    return {name: judge(truth[:, i], *(c[:, i] for c in columns)) for i, name in enumerate(names)}


def _true_ages(test: Simulation, seed: int) -> np.ndarray:
    """ln age [ln Gyr] of test stars, (star,): of those that mass and state allow one, see there."""
    names = ("teff", "logg", "feh", "afe", "ln_mass")
    truth, _ = label_arrays(test.truth, names, test.spectra.star_id)
    state, rng = np.asarray(test.truth["state"], str), np.random.default_rng(seed)
    return age_from_mass(truth[:, :4], truth[:, 4], state, rng)


def _judge_ages(test: Simulation, post: xr.DataTree, seed: int) -> Judged:
    """Compare ages with those of the true masses, under the prior that these had."""
    ages = infer_ages(post, prior="as-inferred")
    ln_age = np.log(array(ages, "posterior/age")[0])
    q16, q84 = np.quantile(ln_age, [0.16, 0.84], axis=0)
    return judge(_true_ages(test, seed), ln_age.mean(axis=0), ln_age.std(axis=0), q16, q84)


def _figures(
    folder: Path,
    model: Model,
    training: Simulation,
    test: Simulation,
    validation: CrossValidation,
    post: xr.DataTree,
    ages: xr.DataTree,
) -> None:
    """Draw what a newcomer wants to see first."""
    note, names = "semi-synthetic", model.labels
    truth, _ = label_arrays(test.truth, names, test.spectra.star_id)
    mean, draws = array(post, "point/mean"), stack_draws(post, names)
    handed, _ = label_arrays(training.labels, names, training.spectra.star_id)
    flux, ivar = test.spectra[0].arrays()
    quantile = array(ages, "point/quantile")[0]
    chosen = np.argsort(quantile[2])[:: max(1, len(mean) // 6)][:6]
    star = str(test.spectra.star_id[0])
    drawn = {
        "crossval": draw_one_to_one(
            validation.truth,
            validation.mean,
            names,
            np.hypot(validation.sd, validation.error),
            x_word="catalogue",
            heading=f"Cross-validation on real masses, every {STRIDE}th pixel",
            note=note,
        ),
        "recovery": draw_one_to_one(
            truth,
            mean,
            names,
            point_sd(post),
            x_word="true",
            heading="Test stars of known truth",
            note=note,
        ),
        "calibration": draw_pit(pit_of_draws(draws, truth), names, note=note),
        "ages": draw_age_posteriors(
            array(ages, "posterior/age")[0][:, chosen],
            test.spectra.star_id[chosen].tolist(),
            np.exp(_true_ages(test, 0)[chosen]),
            note=note,
        ),
        "star_spectrum": draw_spectrum(model, flux[0], ivar[0], mean[0], star_id=star, note=note),
        "star_corner": draw_corner(
            draws[:, 0], names, array(post, "point/map")[0], truth[0], star_id=star, note=note
        ),
        "training_labels": draw_training_labels(handed, names, note=note),
        "scatter": draw_scatter(
            np.asarray(model.wavelength), model.scatter, model.usable, note=note
        ),
    }
    for name in names:
        drawn[f"coefficients_{name}"] = draw_coefficients(model, name, lines(), note=note)
    for name, figure in drawn.items():
        save(figure, folder / f"{name}.png")


def _summary(
    model: Model,
    validation: CrossValidation,
    test: Simulation,
    post: xr.DataTree,
    ages: xr.DataTree,
    tally: Tally,
    seconds: dict[str, float],
) -> dict[str, float | str]:
    """Every figure of the run under a plain name."""
    summary: dict[str, float | str] = {
        "data": "semi-synthetic",
        "model_id": model.id,
        "crossval_stride": STRIDE,
        "stars.training": TRAINING_STARS,
        "stars.test": tally.stars,
        "stars.flagged": tally.flagged,
        "stars.bad": tally.bad,
    }
    for name, judged in validation.statistics.items():
        summary |= {f"crossval.{k}.{name}": v for k, v in judged.as_dict().items()}
    for name, judged in judge_test(test, post, model.labels).items():
        summary |= {f"test.{k}.{name}": v for k, v in judged.as_dict().items()}
    _, low, median, high, _ = array(ages, "point/quantile")[0]  # of `age`, the first quantity
    error_scale = (model.report or {})["error_scale"]
    summary |= {f"training.error_scale.{k}": v for k, v in error_scale.items()}
    summary["training.factors"] = model.factors.shape[1]
    summary["age.median"] = float(np.nanmedian(median))
    summary["age.median_error_dex"] = float(np.nanmedian(np.log10(high / low) / 2))
    total = sum(seconds.values())
    return summary | {f"seconds.{k}": v for k, v in seconds.items()} | {"seconds.total": total}


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _closing_table(summary: dict) -> str:
    title = f"semi-synthetic test stars, {summary['seconds.total']:.0f} s"
    names = [key.removeprefix("test.rms.") for key in summary if key.startswith("test.rms.")]
    heads = (
        "label",
        "error\n(rms)",
        "error\n/ sd",
        "68 %\nholds",
        "rms, real\nmasses",
        "its z",
    )
    rows = [
        (
            name,
            f"{summary[f'test.rms.{name}']:.3g}",
            f"{summary[f'test.z.{name}']:.2f}",
            f"{100 * summary[f'test.coverage68.{name}']:.0f} %",
            *(_or_dash(summary.get(f"crossval.{k}.{name}")) for k in ("rms", "z")),
        )
        for name in names
    ]
    return text_table(heads, rows, title)
