"""Three ways to a mass that are not ours, fitted where our model was trained.

All are helped: formulas are given true labels and exact [C/M] and [N/M] of the stars they are
judged on, which no survey has, and where truth is judged the known error of the training masses is
taken out of every scatter.
"""

from pathlib import Path

import numpy as np

from bayescannon.model import Model, train
from bayescannon.simulate import Simulation
from bayescannon.validation.crossval import CrossValidation, cross_validate
from studies.calibration.formula import fit_formula
from studies.calibration.scenarios import formula_inputs, recipe

CLIMATOLOGY, MARTIG, CANNON = "climatology", "quadratic formula", "plain Cannon"
ROUGH = "quadratic formula, [C/M] and [N/M] to 0.05 dex"
BASELINES = (CLIMATOLOGY, MARTIG, ROUGH, CANNON)
ABUNDANCE_ERROR = 0.05
"""Random error of [C/M] and [N/M] in the rougher variant [dex]: an assumption, no survey's."""
INPUTS = {CLIMATOLOGY: [0, 1, 2, 3], MARTIG: [0, 1, 2, 4, 5]}
FOLDS = 3
"""Of the cross-validation inside a training set that gives the plain Cannon its scatter."""

Forecast = tuple[np.ndarray, np.ndarray]
"""Mean and sd of ln mass, (star,) each."""


def train_plain(training: Simulation, seed: int, folder: Path) -> tuple[Model, float]:
    """Train a plain Cannon; its model and the rms of its cross-validation in ln mass."""
    settings = recipe(plain=True)
    known = (training.spectra, training.labels, settings, FOLDS, seed)
    found = cross_validate(*known, folder=folder)
    model = train(training.spectra, training.labels, settings)
    return model, float(np.sqrt(np.nanmean((found.mean - found.truth)[:, -1] ** 2)))


def mock_baselines(
    training: Simulation, inputs: np.ndarray, plain: np.ndarray, plain_rms: float, seed: int
) -> dict[str, Forecast]:
    """Forecast the true ln mass of test stars.

    Parameters
    ----------
    training : Simulation
        Handed-out labels and masses are fitted.
    inputs : (star, 6)
        See `formula_inputs`, of the test stars.
    plain, plain_rms
        What the plain Cannon says of them, and its cross-validated rms.
    """
    target, error = (np.asarray(training.labels[n]) for n in ("ln_mass", "ln_mass_err"))
    known = formula_inputs(training.truth)
    out = _formulas(known, target, inputs, error)
    rng = np.random.default_rng(seed)
    rough, rough_known = (_roughened(x, rng) for x in (inputs, known))
    out[ROUGH] = _formula(MARTIG, rough_known, target, rough, error)
    sd = np.sqrt(max(plain_rms**2 - np.mean(error**2), 0.01 * plain_rms**2))
    out[CANNON] = plain, np.full(len(plain), sd)
    return out


def fold_baselines(
    simulated: Simulation, ours: CrossValidation, folder: Path, seed: int
) -> dict[str, Forecast]:
    """Forecast the catalogue's ln mass of stars in folds, each from the other folds."""
    known = formula_inputs(simulated.truth)
    settings, folds = recipe(plain=True), int(ours.fold.max()) + 1
    cannon = cross_validate(
        simulated.spectra, simulated.labels, settings, folds, seed, folder=folder
    )
    target, n = ours.truth[:, -1], len(ours.fold)
    rough = _roughened(known, np.random.default_rng(seed))
    out = {name: (np.empty(n), np.empty(n)) for name in BASELINES}
    off = cannon.mean[:, -1] - target
    for k in range(folds):
        test, rest = ours.fold == k, ours.fold != k
        forecasts = _formulas(known[rest], target[rest], known[test], 0.0)
        forecasts[ROUGH] = _formula(MARTIG, rough[rest], target[rest], rough[test], 0.0)
        forecasts[CANNON] = cannon.mean[test, -1], np.sqrt(np.nanmean(off[rest] ** 2))
        for name, (mean, sd) in forecasts.items():
            out[name][0][test], out[name][1][test] = mean, sd
    return out


def _formulas(known, target, inputs, error) -> dict[str, Forecast]:
    return {name: _formula(name, known, target, inputs, error) for name in INPUTS}


def _formula(name: str, known, target, inputs, error) -> Forecast:
    columns = INPUTS[name]
    formula = fit_formula(known[:, columns], target, error)
    return formula.predict(inputs[:, columns]), np.full(len(inputs), formula.sd)


def _roughened(inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = ABUNDANCE_ERROR * rng.normal(size=(len(inputs), 2))
    return inputs + np.pad(noise, ((0, 0), (4, 0)))
