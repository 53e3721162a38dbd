"""Pareto smoothing in JAX against ArviZ's, and where there is nothing to smooth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arviz_stats.base import array_stats

from bayescannon.posterior.psis import fit_pareto, smooth_weights

N = 1600
"""Three roots of it are whole: ArviZ rounds the size of the tail down, we round it up."""


def _log_ratios() -> dict[str, np.ndarray]:
    """Log weights from no tail at all to one without a mean, seed 3."""
    rng = np.random.default_rng(3)
    normal = rng.normal(size=N)
    return {
        "bounded": np.log(rng.uniform(0.5, 1.5, N)),
        "light": 0.1 * normal,
        "exponential": np.log(rng.exponential(size=N)),
        "pareto 0.3": 0.3 * rng.exponential(size=N),
        "pareto 0.7": 0.7 * rng.exponential(size=N),
        "pareto 1.2": 1.2 * rng.exponential(size=N),
        "log-normal": 3.0 * normal,
        "far down": normal - 5e4,
    }


@pytest.mark.parametrize("name", _log_ratios())
def test_weights_and_khat_are_those_of_arviz(name):
    log_ratio = _log_ratios()[name]
    ours, khat = smooth_weights(jnp.asarray(log_ratio))
    theirs, expected = array_stats.psislw(-log_ratio)  # it takes minus the log ratio
    assert float(khat) == pytest.approx(float(expected), abs=1e-9)
    # ArviZ's weights may keep another constant
    theirs = theirs - np.logaddexp.reduce(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert float(jnp.sum(jnp.exp(ours))) == pytest.approx(1.0, abs=1e-12)


def test_smoothing_keeps_the_order_and_the_bulk():
    log_ratio = _log_ratios()["log-normal"]
    ours = np.asarray(smooth_weights(jnp.asarray(log_ratio))[0])
    order = np.argsort(log_ratio)
    assert (np.diff(ours[order]) >= 0).all()
    bulk = order[: -int(3 * np.sqrt(N))]
    np.testing.assert_allclose(np.ptp((ours - log_ratio)[bulk]), 0.0, atol=1e-9)


def test_the_shape_of_a_pareto_tail_is_found():
    """20 samples of 400 at each shape; their mean within 4 errors, (1 + k) / sqrt(n) each.

    The pull towards 0.5 has the weight of ten values, which the allowance takes in.
    """
    rng = np.random.default_rng(4)
    for shape in (-0.2, 0.3, 0.9):
        sample = np.sort(np.expm1(shape * rng.exponential(size=(20, 400))) / shape, axis=1)
        khat, sigma = jax.vmap(fit_pareto)(jnp.asarray(sample))
        allowed = 4 * (1 + shape) / np.sqrt(20 * 400) + abs(0.5 - shape) * 10 / 410
        assert abs(float(khat.mean()) - shape) < allowed
        assert abs(float(sigma.mean()) - 1.0) < 0.1


def test_equal_weights_have_no_tail():
    weights, khat = smooth_weights(jnp.full(N, -7.0))
    np.testing.assert_allclose(weights, -np.log(N), rtol=1e-12)
    assert khat == -np.inf


def test_ratios_that_are_no_numbers_have_no_khat():
    assert jnp.isnan(smooth_weights(jnp.full(N, jnp.nan))[1])
