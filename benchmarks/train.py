"""`bench train`: are posteriors calibrated when the model was trained, and on what?"""

import time
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import numpy as np
import typer

from bayescannon.cli.console import console, progress, text_table
from bayescannon.cli.model import show_round, statistics_table
from bayescannon.data import model_path
from bayescannon.labels import label_arrays
from bayescannon.model import Model, train
from bayescannon.posterior import infer
from bayescannon.recipe import Recipe
from bayescannon.simulate import make_apokasc, make_mock
from bayescannon.spectra import Spectra
from bayescannon.trees import array
from bayescannon.validation import cross_validate, judge, posterior_columns
from benchmarks.quadratic import NAMES, make_quadratic

RECIPE = "apokasc-mass"


class Scenario(StrEnum):
    """Where the stars come from."""

    EXACT = "exact"
    MOCK = "mock"
    APOKASC = "apokasc"


def train_scenarios(
    scenario: Annotated[
        Scenario, typer.Option(help="exact labels, mock truth, or cross-validation.")
    ],
    seed: Annotated[int, typer.Option(help="Seed of the scenario.")] = 0,
    stars: Annotated[int, typer.Option(min=100, help="Test stars.")] = 2000,
    stated: Annotated[
        float, typer.Option(help="mock: errors told to training, times the real ones.")
    ] = 1.0,
    plain: Annotated[bool, typer.Option(help="mock: the plain Cannon instead.")] = False,
    states: Annotated[
        bool, typer.Option("--states", help="mock: evolutionary states are part of the model.")
    ] = False,
) -> None:
    """Train where the truth is known.

    The posteriors of other stars are judged by their true labels.
    """
    if scenario is Scenario.EXACT:
        _exact(seed, stars)
    elif scenario is Scenario.MOCK:
        _mock(seed, stars, stated, plain, states)
    else:
        _apokasc(seed)


def _exact(seed: int, stars: int) -> None:
    training = make_quadratic(1639, seed=seed)
    recipe = Recipe.loads(f'name = "exact"\n[labels]\nnames = {list(NAMES)}\n')
    model = train(training.spectra, training.labels, recipe)
    parts, left, part = [], stars, 0
    while left:  # spectra of 8575 pixels are made and forgotten part by part
        n, part = min(left, 1000), part + 1
        left -= n
        simulated = make_quadratic(n, seed=seed, part=part)
        parts.append(_columns(model, simulated.spectra, simulated.labels))
    ratio = np.mean(model.scatter**2) / np.mean(training.scatter**2)
    _show(
        model, [np.concatenate(c) for c in zip(*parts, strict=True)], f"exact labels, seed {seed}"
    )
    lost = int((~model.usable).sum())
    console.print(f"s^2 fitted / true {ratio:.4f}; {lost} pixels without a model")


def _mock(seed: int, stars: int, stated: float, plain: bool, states: bool) -> None:
    recipe = Recipe.load(model_path(RECIPE) / "recipe.toml")
    told = {k: stated * v for k, v in recipe.training.label_errors.items()}
    settings = replace(recipe.training, label_errors=told, by_state=states)
    if plain:
        off = {"noisy_labels": False, "shrinkage": False, "by_state": False}
        settings = replace(settings, carried=(), **off)
    recipe = replace(recipe, training=settings)
    training, test = make_mock(1639, seed), make_mock(stars, 1000 + seed)
    labels = training.labels.copy()
    for name in recipe.labels.names:
        labels[f"{name}_err"] = stated * labels[f"{name}_err"]
    begin = time.perf_counter()
    model = train(training.spectra, labels, recipe, report=show_round)
    seconds = time.perf_counter() - begin
    word = "plain Cannon" if plain else f"errors stated x {stated:g}"
    columns = _columns(model, test.spectra, test.truth)
    _show(model, columns, f"mock (semi-synthetic), seed {seed}, {word}, {seconds:.0f} s")
    report = model.report or {}
    scale = {k: round(v, 3) for k, v in report.get("error_scale", {}).items()}
    console.print(f"{model.factors.shape[1]} factors; label errors / stated: {scale}")


def _apokasc(seed: int) -> None:
    recipe, simulated = Recipe.load(model_path(RECIPE) / "recipe.toml"), make_apokasc(seed)
    with progress("cross-validation folds", 10) as update:
        result = cross_validate(
            simulated.spectra, simulated.labels, recipe, 10, seed, simulated.truth, update
        )
    console.print(statistics_table(result, f"apokasc (semi-synthetic), ten folds, seed {seed}"))
    mass = result.statistics["ln_mass"]
    console.print(f"mass: {mass.rms / np.log(10):.4f} dex rms against the catalogue")


def _columns(model: Model, spectra: Spectra, truth) -> list[np.ndarray]:
    """Truth, mean, sd, quantiles under the population prior, and the mode under a flat one."""
    values, _ = label_arrays(truth, model.labels, spectra.star_id)
    post = infer(model, spectra, "importance", "population")
    flat = infer(model, spectra, "laplace", "flat", draws=8)
    mode = array(flat, "point/map")
    return [values, *posterior_columns(post, model.labels).values(), mode]


def _show(model: Model, columns: list[np.ndarray], title: str) -> None:
    rows = []
    heads = (
        *("label", "z", "truth\non mean", "flat mode\non truth", "bias\n/ sd"),
        *("68 %", "rms", "sd"),
    )
    truth, *posterior, mode = columns
    for i, name in enumerate(model.labels):
        j = judge(truth[:, i], *(c[:, i] for c in posterior))
        good = np.isfinite(mode[:, i])
        slope = np.polyfit(truth[good, i], mode[good, i], 1)[0]
        numbers = (j.z, j.truth_on_mean, slope, j.bias_sd, j.coverage68)
        sd = float(np.mean(posterior[1][:, i]))
        rows.append((name, *(f"{x:.3f}" for x in numbers), f"{j.rms:.4g}", f"{sd:.4g}"))
    console.print(text_table(heads, rows, title))
