"""Scenarios that put posteriors to the test: simulated, trained, inferred, kept on disk as samples.

Nothing here is observed: spectra are semi-synthetic. `known` is made by the model that infers it.
In the others a model is trained on noisy labels and judged on stars that it has not seen.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from bayescannon.ages import Parsec, infer_ages
from bayescannon.ages.draws import salaris
from bayescannon.ages.known import age_from_mass
from bayescannon.ages.states import default_classifier
from bayescannon.data import model_path
from bayescannon.labels import label_arrays
from bayescannon.model import Model
from bayescannon.posterior import infer
from bayescannon.recipe import Recipe
from bayescannon.simulate import Scenario, Simulation, make_mock
from bayescannon.states import p_clump
from bayescannon.trees import array
from bayescannon.validation.recalibrate import LABELS
from studies.ages.check import draw_ages
from studies.calibration.sample import Sample, age_sample, join, label_sample
from studies.from_model import simulate_stars

RECIPE, PAPER = "apokasc-mass", "ness2016"
AGE_PRIOR = "flat-age"
STARS_AT_ONCE = 2000
"""Stars whose spectra are simulated and inferred at one time."""


class Size(NamedTuple):
    """How many stars."""

    training: int
    known: int
    """Of `known`, labels and ages each."""
    test: int
    """Of every trained model."""
    folds: int
    stride: int
    """Every `stride`-th pixel is used in training."""


FULL = Size(1639, 20_000, 6700, 5, 1)
QUICK = Size(800, 1000, 1000, 2, 10)


class Setting(NamedTuple):
    """A scenario: what training meets, and what is judged."""

    title: str
    training: Scenario
    test: Scenario
    n_seed: int = 1
    any_age: bool = False
    """Test stars have ages from `AGE_PRIOR`, whatever masses training knows at their labels."""


def recipe(plain: bool = False) -> Recipe:
    """Give the recipe of all scenarios, or the plain Cannon's: exact labels, no shrinkage.

    That of the shipped model, for errors as they are stated.
    """
    if plain:
        return Recipe.load(model_path(PAPER) / "recipe.toml")
    ours = Recipe.load(model_path(RECIPE) / "recipe.toml")
    # errors of mock labels are as stated
    return replace(ours, training=replace(ours.training, noise_shares={}))


def thinned(simulated: Simulation, stride: int) -> Simulation:
    """Keep every `stride`-th pixel of a simulation."""
    return simulated._replace(spectra=simulated.spectra.every(stride))


def mass_from_age(labels: np.ndarray, state: np.ndarray, rng: np.random.Generator):
    """Draw ages from `AGE_PRIOR`, and masses through the isochrones: ln mass, ln age (star,).

    Parameters
    ----------
    labels : (star, 4)
        teff, logg, feh, afe; the last two set [M/H].
    state : (star,)
        `RC` or another.
    """
    grid = Parsec.default()
    mh = np.clip(salaris(labels[:, 2], labels[:, 3]), grid.mh[0], grid.mh[-1])
    logg, rc = labels[:, 1], state == "RC"
    x, log_mass = np.empty((2, len(labels)))
    for here, name in ((rc, "rc"), (~rc, "rgb")):
        if here.any():
            drawn = draw_ages(grid, name, AGE_PRIOR, mh[here], logg[here], rng)
            x[here], log_mass[here] = drawn
    return np.log(10) * log_mass, np.log(10) * x


MASSIVE, OLD = 1.0, -1.0
SCENARIOS = {
    "quadratic": Setting("quadratic spectra, errors as quoted", Scenario(), Scenario(), 3),
    "curved": Setting(
        "NON-quadratic: cubic and saturating terms", Scenario(curved=True), Scenario(curved=True)
    ),
    "errors-small": Setting(
        "photon errors quoted 20 % too small, in training and test",
        Scenario(quoted=0.8),
        Scenario(quoted=0.8),
    ),
    "errors-small-new": Setting(
        "photon errors quoted 20 % too small, in the test stars only",
        Scenario(),
        Scenario(quoted=0.8),
    ),
    "shifted": Setting(
        "test stars older and more metal-poor than training",
        Scenario(preference=MASSIVE),
        Scenario(preference=OLD),
    ),
    "any-age": Setting(
        "test stars of any age: masses that no training star has at such labels",
        Scenario(),
        Scenario(age=mass_from_age),
        any_age=True,
    ),
}


def run_known(size: Size, seed: int) -> dict[str, Sample]:
    """Judge stars made by the shipped model, labels from its prior, ages from theirs."""
    model = Model.load(model_path(RECIPE))
    labels, ages = [], []
    for start in range(0, size.known, STARS_AT_ONCE):
        n, part = min(STARS_AT_ONCE, size.known - start), seed * 1000 + start // STARS_AT_ONCE
        simulated = simulate_stars(model, n, part)
        post = infer(model, simulated.spectra, "importance", "population", seed=part)
        labels.append(label_sample(post, simulated.labels, simulated.snr))
        rng = np.random.default_rng([seed, part])
        p_rc = np.asarray(p_clump(default_classifier(), simulated.labels[:, :4]))
        state = np.where(rng.uniform(size=n) < p_rc, "RC", "RGB")
        ln_mass, ln_age = mass_from_age(simulated.labels[:, :4], state, rng)
        true = np.column_stack([simulated.labels[:, :4], ln_mass])
        simulated = simulate_stars(model, n, part + 500, labels=true, rc=state == "RC")
        ages.append(_flat_ages(model, simulated.spectra, ln_age, simulated.snr, part))
    return {"labels": join(labels), "ages": join(ages)}


def make_training(setting: Setting, size: Size, seed: int) -> Simulation:
    """Make the training set of a scenario."""
    return thinned(make_mock(size.training, seed, setting.training), size.stride)


class Trained(NamedTuple):
    """What a scenario's models gave."""

    samples: dict[str, Sample]
    inputs: np.ndarray
    """(star, 6): true teff, logg, feh, afe, [C/M], [N/M] of the label sample's stars."""
    plain: np.ndarray
    """(star,): ln mass by the plain Cannon."""


def run_trained(model: Model, plain: Model, setting: Setting, size: Size, seed: int) -> Trained:
    """Judge a trained model: labels under the population prior, ages under the prior they had."""
    labels, inputs, plain_mean, ages = [], [], [], []
    for part, start in enumerate(range(0, size.test, STARS_AT_ONCE)):
        n = min(STARS_AT_ONCE, size.test - start)
        test = thinned(make_mock(n, 10_000 * (seed + 1) + part, setting.test), size.stride)
        truth, _ = label_arrays(test.truth, LABELS, test.spectra.star_id)
        snr, state = np.asarray(test.truth["snr"]), np.asarray(test.truth["state"], str)
        post = infer(model, test.spectra, "importance", "population", seed=seed)
        labels.append(label_sample(post, truth, snr))
        if setting.any_age:
            ln_age = np.asarray(test.truth["ln_age"])
            ages.append(_flat_ages(model, test.spectra, ln_age, snr, seed))
        else:
            rng = np.random.default_rng([seed, part])
            ln_age = age_from_mass(truth[:, :4], truth[:, 4], state, rng)
            ages.append(age_sample(post, infer_ages(post, prior="as-inferred"), ln_age, snr))
        inputs.append(formula_inputs(test.truth))
        post = infer(plain, test.spectra, "laplace", "population", draws=8, seed=seed)
        plain_mean.append(array(post, "point/mean")[:, -1])
    samples = {"labels": join(labels), "ages": join(ages)}
    return Trained(samples, np.concatenate(inputs), np.concatenate(plain_mean))


def formula_inputs(truth: Table) -> np.ndarray:
    """Give teff, logg, feh, afe, [C/M], [N/M] of a truth table as (star, 6)."""
    return np.column_stack([np.asarray(truth[n]) for n in (*LABELS[:4], "c_m", "n_m")])


def _flat_ages(model: Model, spectra, ln_age, snr, seed: int) -> Sample:
    # flat: the label prior is divided out anyway, and few draws have to carry heavy weights
    post = infer(model, spectra, "importance", "flat", seed=seed)
    return age_sample(post, infer_ages(post, prior=AGE_PRIOR), ln_age, snr)
