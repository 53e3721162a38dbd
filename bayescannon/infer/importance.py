"""Importance sampling from the Laplace approximation: exact posteriors at the price of a Gaussian.

Proposals come from a mixture over the maxima found, with Student-t tails; their weights are
Pareto-smoothed; the draws that are published are resampled from many more proposals.
"""

from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Float
from scipy.stats import chi2

from ..typing import Array
from .newton import Laplace
from .prior import Prior
from .psis import smooth_weights
from .summary import Summary, log_likelihood_of_draws, map_stars

PROPOSALS_PER_DRAW = 4
MIN_PROPOSALS = 400
"""Fewer say nothing about the tail of the weights, however few draws are asked for."""
DEGREES_OF_FREEDOM = 8
"""Of the Student-t tails: heavier than any posterior that a spectrum with photons leaves."""

MAX_MODES = 2


class Modes(NamedTuple):
    """Maxima of one star that the proposal covers."""

    mean: Float[Array, "mode label"]
    cholesky: Float[Array, "mode label label"]
    weight: Float[Array, "mode"]


class Weighted(NamedTuple):
    """Draws of many stars, and how well the proposal served."""

    draws: Float[Array, "star draw label"]
    khat: Float[Array, "star"]
    ess: Float[Array, "star"]


@partial(jax.jit, static_argnames=("draws", "degree"))
def importance(
    keys: jax.Array, summary: Summary, fit: Laplace, prior: Prior, draws: int, degree: int
) -> Weighted:
    """Sample the posterior of every star by importance resampling.

    Parameters
    ----------
    keys : PRNG keys (star,)
    summary : Summary
        Of the same stars.
    fit : Laplace
        Their maxima.
    prior : Prior
        Over scaled labels.
    draws : int
        Draws to publish; four times as many proposals are weighed.
    degree : int
        Degree of the features.

    Returns
    -------
    Weighted
        Equally weighted draws of scaled labels, k-hat, and the effective number of proposals.
    """
    one = partial(_one_star, prior=prior, draws=draws, degree=degree)
    return map_stars(lambda star: one(*star), (keys, summary, fit))


def _one_star(key, summary: Summary, fit: Laplace, prior: Prior, draws: int, degree: int):
    n = max(draws * PROPOSALS_PER_DRAW, MIN_PROPOSALS)
    for_normal, for_rest = jax.random.split(key)
    modes = _best_modes(fit)
    # single precision is enough to propose: the weight is that of the point proposed
    uniform = jax.random.uniform(for_rest, (n + 2,), jnp.float32).astype(float)
    turn, shift = uniform[n], uniform[n + 1]
    stretch = jnp.roll(jnp.asarray(_stretches(n)), jnp.asarray(turn * n, int))
    white = stretch[None] * jax.random.normal(for_normal, (fit.mean.size, n), jnp.float32).astype(
        float
    )
    component = jnp.sum(uniform[None, :n] > jnp.cumsum(modes.weight)[:-1, None], axis=0)
    scaled = _move(modes, white, component)
    log_like = log_likelihood_of_draws(summary, scaled, degree)
    log_target = log_like + prior.log_prob(scaled)
    log_weight, khat = smooth_weights(log_target - _log_proposal(scaled, modes))
    weight = jnp.exp(log_weight)
    # systematic resampling: a proposal appears twice only when its weight asks for it
    place = (jnp.arange(draws, dtype=float) + shift) / draws
    chosen = jnp.clip(jnp.searchsorted(jnp.cumsum(weight), place), 0, n - 1)
    return Weighted(scaled[:, chosen].T, khat, 1.0 / jnp.sum(weight**2))


@cache
def _stretches(n: int) -> np.ndarray:
    """Factors (n,) that turn normal into Student-t numbers, their distribution in n strata.

    In a fixed random order, which every star enters elsewhere.
    """
    level = (np.random.default_rng(0).permutation(n) + 0.5) / n
    return np.sqrt(DEGREES_OF_FREEDOM / chi2.ppf(level, DEGREES_OF_FREEDOM))


def _move(modes: Modes, white: Array, component: Array) -> Float[Array, "label draw"]:
    """Give each proposal the mean and the covariance of its mode."""
    scaled = modes.mean[0][:, None] + modes.cholesky[0] @ white
    for k in range(1, len(modes.mean)):
        other = modes.mean[k][:, None] + modes.cholesky[k] @ white
        scaled = jnp.where(component[None] == k, other, scaled)
    return scaled


def _best_modes(fit: Laplace) -> Modes:
    """Keep the modes of largest weight: two are all that a quadratic model has ever shown."""
    log_weight, place = jax.lax.top_k(fit.mode_log_weight, min(MAX_MODES, fit.mode_log_weight.size))
    return Modes(fit.mode_mean[place], fit.mode_cholesky[place], jax.nn.softmax(log_weight))


def _log_proposal(scaled: Float[Array, "label draw"], modes: Modes) -> Float[Array, "draw"]:
    """Log density of the mixture of Student-t distributions, up to its common constant."""
    terms = []
    for mean, cholesky, weight in zip(*modes, strict=True):
        white = jnp.linalg.inv(cholesky) @ (scaled - mean[:, None])
        log_det = jnp.sum(jnp.log(jnp.diagonal(cholesky)))
        power = (DEGREES_OF_FREEDOM + len(scaled)) / 2
        tails = power * jnp.log1p(jnp.sum(white**2, axis=0) / DEGREES_OF_FREEDOM)
        terms.append(jnp.log(weight) - log_det - tails)
    return logsumexp(jnp.stack(terms), axis=0)
