"""Mock stars drawn from an age prior, judged under it: are the age posteriors calibrated?

Labels are those of the real giants that ship. State, age, mass lost and place within the clump are
drawn; mass and metallicity are measured with correlated errors. Coverage is binned on what is
observed, never on the true age: even the exact posterior fails that.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from bayescannon.ages.draws import salaris
from bayescannon.ages.grid import Parsec
from bayescannon.ages.interpolation import evaluate
from bayescannon.ages.mixture import QUANTITIES
from bayescannon.ages.posterior import (
    MASS_LOSS_SCATTER,
    AgePrior,
    log_age_prior,
    quantiles,
    state_tables,
)
from bayescannon.ages.run import infer_ages
from bayescannon.ages.states import RIDGE, default_classifier, known_states
from bayescannon.calibration import LEVELS, coverage, crps, crps_normal, equal_bins, pit_of_draws
from bayescannon.posterior.result import as_posterior
from bayescannon.states import fit_states, p_clump
from bayescannon.typing import Array, Stars

N_AGE = 2048
"""Nodes of the axis that true ages are drawn on: four times finer than the posterior's."""
MASS_ERROR = (0.03, 0.12)  # [dex] of log10 M
FEH_ERROR = (0.02, 0.08)  # [dex]
CORRELATION = 0.7
"""Errors of mass and metallicity correlate by up to this, either sign."""
POINT_ERROR = 0.21
"""Error of the clipped point estimate [dex] (Ness et al. 2016, Fig. 1)."""
PROBABILITIES = tuple(LEVELS.tolist())
TOLERANCE = (0.02, 0.015, 0.01, 0.008)
"""Largest miss of the coverage at each probability, for 20,000 stars."""
BIN_PROBABILITY, BIN_TOLERANCE, MIN_STARS = 0.68, 0.045, 1500
BIN_LEVEL = np.array([BIN_PROBABILITY])


class MockAges(NamedTuple):
    """Stars whose ages are known, as `infer_ages` would meet them."""

    x: Float[np.ndarray, "star"]
    """True log10(age / Gyr)."""
    rc: Bool[np.ndarray, "star"]
    p_rc: Float[np.ndarray, "star"]
    log_mass: Float[np.ndarray, "star"]
    """Measured log10(M / Msun)."""
    feh: Float[np.ndarray, "star"]
    """Measured [Fe/H] [dex]."""
    logg: Float[np.ndarray, "star"]
    post: xr.DataTree


def make_mock_ages(
    n: int, prior: AgePrior, seed: int = 0, grid: Parsec | None = None, draws: int = 500
) -> MockAges:
    """Draw stars from the prior and measure them.

    Parameters
    ----------
    n : int
        Number of stars.
    prior : one of `AGE_PRIORS`
    seed : int
    grid : Parsec, optional
        The shipped one by default.
    draws : int
        Posterior draws of mass and metallicity per star.
    """
    grid, rng = grid or Parsec.default(), np.random.default_rng(seed)
    labels = np.asarray(known_states()[0])
    labels = labels[rng.integers(len(labels), size=n)]
    logg, feh, afe = labels[:, 1], labels[:, 2], labels[:, 3]
    learned = np.asarray(p_clump(default_classifier(), labels))
    p_rc = np.where(rng.uniform(size=n) < 0.5, learned, 0.5)  # of every other star nothing is known
    rc = rng.uniform(size=n) < p_rc
    mh = salaris(feh, afe)
    x, log_mass = np.empty((2, n))
    for here, state in ((rc, "rc"), (~rc, "rgb")):
        x[here], log_mass[here] = draw_ages(grid, state, prior, mh[here], logg[here], rng)
    error_u, error_m = rng.uniform(*MASS_ERROR, n), rng.uniform(*FEH_ERROR, n)
    rho = rng.uniform(-CORRELATION, CORRELATION, n)

    def noise(*shape):
        first, second = rng.normal(size=(2, *shape, n))
        return error_u * first, error_m * (rho * first + np.sqrt(1 - rho**2) * second)

    miss_u, miss_m = noise()
    draw_u, draw_m = noise(1, draws)
    log_mass, feh = log_mass + miss_u, feh + miss_m
    sampled = {
        "ln_mass": np.log(10.0) * (log_mass + draw_u),
        "feh": feh + draw_m,
        "afe": np.broadcast_to(afe, draw_m.shape),
        "logg": np.broadcast_to(logg, draw_m.shape),
        "teff": np.broadcast_to(labels[:, 0], draw_m.shape),
    }
    return MockAges(x, rc, p_rc, log_mass, feh, logg, as_posterior(sampled, np.arange(n)))


def draw_ages(grid, state, prior, mh, logg, rng) -> tuple[np.ndarray, np.ndarray]:
    """True log10 age and current log10 M of stars of one state.

    `mh` [M/H] and `logg` are (star,).
    """
    tables = state_tables(grid, state, N_AGE)
    density = jnp.exp(log_age_prior(prior, tables, jnp.asarray(mh), jnp.asarray(logg)))
    x = quantiles(density, tables.log_mass.x, jnp.asarray(rng.uniform(size=(mh.size, 1))))[:, 0]
    x = np.asarray(x)
    return x, draw_masses(grid, state, x, mh, logg, rng)


def draw_masses(grid, state, x, mh, logg, rng) -> np.ndarray:
    """Current log10 M of stars of one state whose log10 age, [M/H] and log g are given (star,)."""
    log_mass = np.asarray(grid.log_mass(x, mh, state, logg))
    if state == "rc":
        spread = np.asarray(evaluate(grid.table("spread", "rc"), x, mh))
        log_mass = log_mass + spread * rng.normal(size=mh.size)
        lost = MASS_LOSS_SCATTER * rng.normal(size=mh.size)
        log_mass = np.log10(np.maximum(10**log_mass - lost, 0.05))
    return log_mass


class Check(NamedTuple):
    """How the posteriors of mock stars compare with the truth."""

    coverage: dict[float, float]
    """Share of stars whose central interval of that probability holds the true age."""
    worst_bin: float
    """Largest |coverage - 0.68| in a bin of observed mass, [Fe/H] and state."""
    n_bins: int
    crps: float
    """Mean continuous ranked probability score of log10 age [dex]; lower is better."""
    crps_point: float
    """The same of the clipped point estimate with an error of 0.21 dex."""
    gain_in_se: float
    """Gain over the point estimate, in standard errors."""


def self_check(
    n: int, prior: AgePrior, seed: int = 0, grid: Parsec | None = None, progress=None
) -> Check:
    """Make mock stars, infer their ages under the prior that made them, and judge.

    Parameters
    ----------
    n, prior, seed, grid : as in `make_mock_ages`.
    progress : callable, optional
        Called with the number of stars done.
    """
    grid = grid or Parsec.default()
    mock = make_mock_ages(n, prior, seed, grid)
    ages = infer_ages(mock.post, grid, prior, mock.p_rc, seed, progress)
    known = np.isfinite(ages["point"].to_dataset()["mean"].sel(quantity="age").values)
    drawn = ages["posterior"].to_dataset()
    log_age = {q: np.log10(drawn[q].values[0]) for q in QUANTITIES}
    pit = pit_of_draws(log_age["age"], mock.x)
    in_state = np.where(
        mock.rc, pit_of_draws(log_age["age_rc"], mock.x), pit_of_draws(log_age["age_rgb"], mock.x)
    )
    misses = [
        abs(coverage(values[here], BIN_LEVEL)[0] - BIN_PROBABILITY)
        for values, here in _bins(mock, pit, in_state, known)
        if here.sum() >= MIN_STARS
    ]
    ours, point = crps(log_age["age"][:, known], mock.x[known]), _point_crps(mock, grid)[known]
    gain = point - ours
    return Check(
        dict(zip(PROBABILITIES, coverage(pit[known], LEVELS).tolist(), strict=True)),
        float(max(misses, default=np.nan)),
        len(misses),
        float(ours.mean()),
        float(point.mean()),
        float(gain.mean() / gain.std(ddof=1) * np.sqrt(len(gain))),
    )


def _bins(mock: MockAges, pit: Stars, in_state: Stars, known: Array):
    """Yield (PIT, mask): bins of mass and of [Fe/H], and of both in each state.

    The states are judged by the posterior that knows the state.
    """
    tenths = [equal_bins(values, 10) for values in (mock.log_mass, mock.feh)]
    yield from ((pit, known & (bins == i)) for bins in tenths for i in range(10))
    mass, feh = equal_bins(mock.log_mass, 3), equal_bins(mock.feh, 2)
    for state in (mock.rc, ~mock.rc):
        yield in_state, known & state
        for i, j in np.ndindex(3, 2):
            yield in_state, known & state & (mass == i) & (feh == j)


def _point_crps(mock: MockAges, grid: Parsec) -> Stars:
    """Score of the age at the measured mass, clipped to the isochrones' ages, +- 0.21 dex."""
    afe = mock.post["posterior"].to_dataset()["afe"].values[0, 0]
    mh = np.clip(salaris(mock.feh, afe), grid.mh[0], grid.mh[-1])
    oldest = np.log10(grid.last_age)
    x = np.empty(len(mh))
    for here, state in ((mock.p_rc >= 0.5, "rc"), (mock.p_rc < 0.5, "rgb")):
        m, g, u = mh[here], mock.logg[here], mock.log_mass[here]
        age = np.asarray(grid.age_of_mass(u, m, state, g))
        too_heavy = u > np.asarray(grid.log_mass(grid.log_age[0], m, state, g))
        edge = np.where(too_heavy, grid.log_age[0], oldest)
        x[here] = np.where(np.isfinite(age), np.minimum(np.log10(age), oldest), edge)
    return crps_normal(x, np.full(len(x), POINT_ERROR), mock.x)


class Reliability(NamedTuple):
    """Whether predicted probabilities of held-out stars are calibrated."""

    p: Stars
    """Cross-validated P(rc)."""
    rc: Bool[np.ndarray, "star"]
    log_score: float
    """Mean of -ln of the probability given to what came true; ln 2 for a coin."""
    brier: float
    """Mean squared difference between probability and truth; 1/4 for a coin."""
    accuracy: float


def measure_reliability(folds: int = 10, seed: int = 0) -> Reliability:
    """Cross-validate the classifier on the stars of known state.

    Parameters
    ----------
    folds, seed : int
        Number of folds, and the seed that deals the stars out.
    """
    labels, rc = known_states()
    fold = np.random.default_rng(seed).permutation(len(rc)) % folds
    p = np.empty(len(rc))
    for i in range(folds):
        held_out = fold == i
        classifier = fit_states(labels[~held_out], rc[~held_out], RIDGE)
        p[held_out] = np.asarray(p_clump(classifier, labels[held_out]))
    truth_given = np.clip(np.where(rc, p, 1 - p), 1e-12, 1.0)
    return Reliability(
        p,
        rc,
        float(-np.log(truth_given).mean()),
        float(((p - rc) ** 2).mean()),
        float(((p > 0.5) == rc).mean()),
    )
