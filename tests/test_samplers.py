"""One harness that every sampler faces: known targets, then calibration on made stars.

A sampler passes when the draws of 256 stars, pooled, have the target's moments, or when it flags
at least 99 % of the stars. Seeds are fixed, so nothing here fails at random.
"""

from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import recipe_of

import bayescannon as bc
from bayescannon.infer import SoftBox, Summary, laplace, stack_draws
from bayescannon.infer.describe import sampling_flags
from bayescannon.infer.methods import SAMPLERS, Problem
from bayescannon.infer.selfcheck import ecdf_band, judge_ranks, make_stars, ranks
from bayescannon.keys import star_keys
from bayescannon.labels import Mixture

N_STAR, N_DRAW = 256, 500
METHODS = ("laplace", "importance", "nuts", "auto")
FLAT = SoftBox(jnp.full(2, -50.0), jnp.full(2, 50.0), jnp.ones(2))


class Target(NamedTuple):
    """exp(-|R d - t|^2 / 2) over labels (x, y), with d = (0, x, y, x^2, x y, y^2)."""

    rows: np.ndarray
    right: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def _gaussian() -> Target:
    rows = np.array([[0, 1, 0.5, 0, 0, 0], [0, 0, 2, 0, 0, 0]])
    cov = np.linalg.inv(rows[:, 1:3].T @ rows[:, 1:3])
    mean = np.array([0.3, -0.2])
    return Target(rows, rows[:, 1:3] @ mean, mean, np.sqrt(np.diag(cov)))


def _banana(bend: float) -> Target:
    """x is normal, y = -bend (x^2 - 1) + 0.5 e: mean 0, variance 2 bend^2 + 0.25."""
    rows = np.array([[0, 1, 0, 0, 0, 0], [0, 0, 2, 2 * bend, 0, 0]])
    right = np.array([0.0, 2 * bend])
    return Target(rows, right, np.zeros(2), np.sqrt([1.0, 2 * bend**2 + 0.25]))


def _two_modes() -> Target:
    """x^2 is near 4 and a slope favours x > 0, 7 to 1; moments by quadrature."""
    rows = np.array([[0, 0, 0, 2, 0, 0], [0, 0.5, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]])
    right = np.array([8.0, 1.0, 0.0])
    x = np.linspace(-4, 4, 20001)
    log_density = -0.5 * ((2 * x**2 - 8) ** 2 + (0.5 * x - 1.0) ** 2)
    weight = np.exp(log_density) / np.exp(log_density).sum()
    mean = weight @ x
    sd = np.sqrt(weight @ (x - mean) ** 2)
    return Target(rows, right, np.array([mean, 0.0]), np.array([sd, 1.0]))


TARGETS = {
    "Gaussian": _gaussian(),
    "bent": _banana(0.15),
    "banana": _banana(0.6),
    "two modes": _two_modes(),
}


def _problem(target: Target) -> Problem:
    """All stars have the same target and differ in their random numbers."""
    a, b = target.rows.T @ target.rows, target.rows.T @ target.right
    c, zero = target.right @ target.right, 0.0
    one = Summary(a, b, c, zero, 9.0, a, b, c)
    summary = jax.tree.map(lambda part: jnp.tile(part, (N_STAR, *[1] * np.ndim(part))), one)
    starts = jnp.array([[0.2, 0.0], [1.5, 0.1], [-1.5, 0.1]])
    fit = laplace(summary, FLAT, starts, 2)
    keys = star_keys(11, np.arange(N_STAR).astype(str))
    model = SimpleNamespace(recipe=recipe_of("teff", "logg"))
    return Problem(keys, summary, fit, FLAT, model, *2 * [jnp.zeros((1, 1))], N_DRAW, N_STAR)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("method", METHODS)
def test_moments_are_right_or_the_star_is_flagged(method, name):
    """Pooled mean within 5 Monte Carlo errors and 1 % of the sd, the sd within 3 %."""
    target = TARGETS[name]
    problem = _problem(target)
    sampled = SAMPLERS[method](problem)
    assert sampled.draws.shape[1] * sampled.draws.shape[2] == N_DRAW
    star = sampled._asdict() | {"n_modes": np.asarray(problem.fit.n_modes)}
    flagged = np.any(list(sampling_flags(star, N_DRAW).values()), axis=0)
    draws = sampled.draws.reshape(-1, 2)
    worth = N_STAR * N_DRAW * (1.0 if method == "laplace" else 0.5)
    off = np.abs(draws.mean(axis=0) - target.mean) / target.sd
    wide = np.abs(draws.std(axis=0) / target.sd - 1)
    right = (off < 5 / np.sqrt(worth) + 0.01).all() and (wide < 0.03).all()
    assert right or flagged.mean() >= 0.99, (off, wide, flagged.mean())
    if name == "Gaussian":
        assert right
        assert flagged.mean() <= 0.05
    if method in ("importance", "auto") or name == "bent":
        assert right or (method, name) == ("laplace", "bent")


@pytest.mark.parametrize("method", ["importance", "auto"])
def test_both_modes_get_their_weight(method):
    """Per star: the share of x > 0, within 5 errors of the 500 draws; pooled within 1 %."""
    target = TARGETS["two modes"]
    share = 0.5 * (1 + target.mean[0] / 1.98)
    problem = _problem(target)
    assert (problem.fit.n_modes == 2).all()
    found = (SAMPLERS[method](problem).draws[..., 0] > 0).mean(axis=(1, 2))
    assert np.abs(found - share).max() < 5 * np.sqrt(share * (1 - share) / 384)
    assert abs(found.mean() - share) < 0.01
