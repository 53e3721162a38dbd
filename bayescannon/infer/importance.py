"""Importance sampling from the Laplace approximation: exact posteriors at the price of a Gaussian.

Proposals come from a mixture over the maxima found, with Student-t tails; their weights are
Pareto-smoothed; the draws that are published are resampled from many more proposals.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Float

from ..typing import Array
from .newton import Laplace
from .prior import Prior
from .psis import smooth_weights
from .summary import Summary, log_likelihood_of_draws

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
    log_weight: Float[Array, "mode"]


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
    return jax.vmap(one)(keys, summary, fit)


def _one_star(key, summary: Summary, fit: Laplace, prior: Prior, draws: int, degree: int):
    n = max(draws * PROPOSALS_PER_DRAW, MIN_PROPOSALS)
    which, normal, tail, shift = jax.random.split(key, 4)
    modes = _best_modes(fit)
    component = jax.random.categorical(which, modes.log_weight, shape=(n,))
    # single precision is enough to propose: the weight is that of the point proposed
    white = jax.random.normal(normal, (n, fit.mean.size), jnp.float32).astype(float)
    # a sum of exponentials is a gamma variate: chi2 with an even number of degrees of freedom
    half = jax.random.exponential(tail, (n, DEGREES_OF_FREEDOM // 2), jnp.float32)
    chi2 = 2 * jnp.sum(half, axis=1).astype(float)
    white = white * jnp.sqrt(DEGREES_OF_FREEDOM / chi2)[:, None]
    around = modes.mean[:, None] + jnp.einsum("kij,dj->kdi", modes.cholesky, white)
    scaled = jnp.take_along_axis(around, component[None, :, None], axis=0)[0]
    log_like = log_likelihood_of_draws(summary, scaled, degree)
    log_target = log_like + jax.vmap(prior.log_prob)(scaled)
    log_weight, khat = smooth_weights(log_target - _log_proposal(scaled, modes))
    weight = jnp.exp(log_weight)
    # systematic resampling: a proposal appears twice only when its weight asks for it
    place = (jnp.arange(draws, dtype=float) + jax.random.uniform(shift)) / draws
    chosen = jnp.clip(jnp.searchsorted(jnp.cumsum(weight), place), 0, n - 1)
    order = jax.random.permutation(which, draws)
    return Weighted(scaled[chosen][order], khat, 1.0 / jnp.sum(weight**2))


def _best_modes(fit: Laplace) -> Modes:
    """Keep the modes of largest weight: two are all that a quadratic model has ever shown."""
    log_weight, place = jax.lax.top_k(fit.mode_log_weight, min(MAX_MODES, fit.mode_log_weight.size))
    return Modes(fit.mode_mean[place], fit.mode_cholesky[place], log_weight)


def _log_proposal(scaled: Float[Array, "draw label"], modes: Modes) -> Float[Array, "draw"]:
    """Log density of the mixture of Student-t distributions, up to its common constant."""
    inverse_root = jnp.linalg.inv(modes.cholesky)
    offset = scaled[None] - modes.mean[:, None]
    white = jnp.einsum("kij,kdj->kdi", inverse_root, offset)
    log_det = jnp.sum(jnp.log(jnp.diagonal(modes.cholesky, axis1=1, axis2=2)), axis=1)
    power = (DEGREES_OF_FREEDOM + scaled.shape[1]) / 2
    tails = power * jnp.log1p(jnp.sum(white**2, axis=-1) / DEGREES_OF_FREEDOM)
    return logsumexp((modes.log_weight - log_det)[:, None] - tails, axis=0)
