"""`bench train`: do posteriors hold when the model was trained, and on what? Truth is known."""

import json
import time
import warnings
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from astropy.table import Table

from bayescannon.cli.console import console, progress, text_table
from bayescannon.cli.model import show_round, statistics_table
from bayescannon.data import model_path
from bayescannon.flags import Flag
from bayescannon.labels import label_arrays
from bayescannon.model import Model, train
from bayescannon.posterior import infer
from bayescannon.recipe import Recipe
from bayescannon.simulate import Scenario as Bent
from bayescannon.simulate import make_apokasc, make_mock
from bayescannon.spectra import Spectra
from bayescannon.trees import array
from bayescannon.validation import Judged, cross_validate, judge, posterior_columns
from benchmarks.quadratic import NAMES, make_quadratic

RECIPE = "apokasc-mass"
TRAINING = 1639
MODEL_ERROR = (40.0, 0.05, 0.03, 0.02)
"""Scale of the Student t5 that `--model-error` 1 puts in, for teff, logg, feh, afe."""


class Scenario(StrEnum):
    """Where the stars come from."""

    EXACT = "exact"
    EXACT_SHIPPED = "exact-shipped"
    MOCK = "mock"
    CURVED = "curved"
    APOKASC = "apokasc"


BENT = {
    Scenario.MOCK: Bent(),
    Scenario.CURVED: Bent(curved=True),
}


class Set(NamedTuple):
    """Spectra, labels as a catalogue has them, and the true ones. SEMI-SYNTHETIC."""

    spectra: Spectra
    labels: Table
    truth: Table


def train_scenarios(
    scenario: Annotated[
        Scenario,
        typer.Option(
            help="exact: quadratic spectra, exact labels (-shipped: by the shipped recipe); mock, "
            "curved: noisy labels, known truth; apokasc: ten folds."
        ),
    ],
    seed: Annotated[int, typer.Option(help="Seed of the scenario.")] = 0,
    stars: Annotated[int, typer.Option(min=100, help="Test stars.")] = 2000,
    every: Annotated[int, typer.Option(min=1, help="Use every so many-th pixel.")] = 1,
    stated: Annotated[float, typer.Option(help="Errors told to training / the real ones.")] = 1.0,
    model_error: Annotated[
        float, typer.Option(help="Error of the model put in: 1 is 40 K, .05, .03, .02.")
    ] = 0.0,
    states: Annotated[
        bool,
        typer.Option("--states/--no-states", help="Evolutionary states are part of the model."),
    ] = True,
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures.")] = None,
) -> None:
    """Train where the truth is known.

    The posteriors of other stars are judged by their true labels.
    """
    if scenario is Scenario.APOKASC:
        _apokasc(seed)
        return

    def simulate(n: int, part: int) -> Set:
        return _simulate(scenario, n, seed, part, every, model_error)

    training, recipe = simulate(TRAINING, 0), _recipe(scenario, states)
    labels = training.labels.copy()
    for name in [c for c in labels.colnames if c.endswith("_err")]:
        labels[name] = stated * np.asarray(labels[name])
    begin, busy = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = train(training.spectra, labels, recipe, report=show_round)
    spent = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - busy}
    test = simulate(stars, 1)
    found = {"data": "semi-synthetic", "scenario": scenario.value, "seed": seed, "every": every}
    found |= {"stated": stated, "model_error": model_error, "states": states, "stars": stars}
    found |= spent | {"training": model.report, "notes": [str(w.message) for w in caught]}
    for prior in ("population", "flat"):
        found[prior] = _judge(model, test, prior, f"{scenario}, seed {seed}, {prior} prior")
    for note in found["notes"]:
        console.print(f"note: {note}")
    console.print(f"training: {spent['seconds']:.0f} s, {spent['cpu']:.0f} s of processor time")
    if out is not None:
        out.write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")


def _simulate(
    scenario: Scenario, n: int, seed: int, part: int, every: int, model_error: float
) -> Set:
    if scenario in (Scenario.EXACT, Scenario.EXACT_SHIPPED):
        exact = make_quadratic(n, 8575 // every, seed, part)
        return Set(exact.spectra, exact.labels, exact.labels)
    simulated = make_mock(n, 1000 * part + seed, BENT[scenario])
    labels, truth = simulated.labels.copy(), simulated.truth.copy()
    if model_error:
        rng = np.random.default_rng([seed, part, 77])
        error = model_error * rng.normal(size=(n, 4)) * MODEL_ERROR
        error /= np.sqrt(rng.gamma(2.5, 1 / 2.5, (n, 1)))
        for table in (labels, truth):
            for name, off in zip(("teff", "logg", "feh", "afe"), error.T, strict=True):
                table[name] = np.asarray(table[name]) + off
    return Set(simulated.spectra.every(every), labels, truth)


def _recipe(scenario: Scenario, states: bool) -> Recipe:
    if scenario is Scenario.EXACT:
        return Recipe.loads(f'name = "exact"\n[labels]\nnames = {list(NAMES)}\n')
    shipped = Recipe.load(model_path(RECIPE) / "recipe.toml")
    # errors of simulated labels are as stated
    settings = replace(shipped.training, by_state=states, noise_shares={})
    if scenario is Scenario.EXACT_SHIPPED:
        settings = replace(settings, carried=NAMES[-1:], label_errors={}, by_state=False)
        return replace(shipped, labels=replace(shipped.labels, names=NAMES), training=settings)
    return replace(shipped, training=settings)


def _apokasc(seed: int) -> None:
    recipe, simulated = Recipe.load(model_path(RECIPE) / "recipe.toml"), make_apokasc(seed)
    with progress("cross-validation folds", 10) as update:
        result = cross_validate(
            simulated.spectra, simulated.labels, recipe, 10, seed, simulated.truth, update
        )
    console.print(statistics_table(result, f"apokasc (semi-synthetic), ten folds, seed {seed}"))
    mass = result.statistics["ln_mass"]
    console.print(f"mass: {mass.rms / np.log(10):.4f} dex rms against the catalogue")


def _judge(model: Model, test: Set, prior: str, title: str) -> dict[str, dict[str, float]]:
    """Compare posteriors with the truth: a table on the screen, and its figures."""
    truth, _ = label_arrays(test.truth, model.labels, test.spectra.star_id)
    post = infer(model, test.spectra, "importance", prior)
    columns = posterior_columns(post, model.labels)
    rows, found = [], {}
    for i, name in enumerate(model.labels):
        j: Judged = judge(truth[:, i], *(c[:, i] for c in columns.values()))
        sd = float(np.nanmean(columns["sd"][:, i]))
        numbers = (j.z, j.truth_on_mean, j.bias_sd, j.coverage68)
        rows.append((name, *(f"{x:.3f}" for x in numbers), f"{j.rms:.4g}", f"{sd:.4g}"))
        found[name] = j.as_dict() | {"sd": sd}
    heads = ("label", "z", "truth\non mean", "bias\n/ sd", "68 %", "rms", "sd")
    console.print(text_table(heads, rows, f"semi-synthetic: {title}"))
    if "p_rc" in post["sample_stats"] and "state" in test.truth.colnames:
        p, rc = array(post, "sample_stats/p_rc"), np.asarray(test.truth["state"]) == "RC"
        right = np.clip(np.where(rc, p, 1 - p), 1e-9, 1.0)
        found["p_rc"] = {"log_score": float(-np.nanmean(np.log(right)))}
        console.print(f"log score of P(rc): {found['p_rc']['log_score']:.4f}")
    flags = array(post, "sample_stats/flags")
    lost = int((~np.isfinite(columns["mean"]).all(axis=1)).sum())
    bad = float(np.mean((flags & int(Flag.BAD_CHI2)) > 0))
    console.print(f"stars without a posterior: {lost}; BAD_CHI2: {100 * bad:.1f} %")
    return found | {"lost": {"stars": float(lost)}, "bad_chi2": {"share": bad}}
