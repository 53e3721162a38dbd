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
from .newton import Laplace, log_posterior
from .prior import Prior
from .psis import smooth_weights
from .summary import Summary

PROPOSALS_PER_DRAW = 4
DEGREES_OF_FREEDOM = 8.0
"""Of the Student-t tails: heavier than any posterior that a spectrum with photons leaves."""


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
    n = draws * PROPOSALS_PER_DRAW
    which, normal, gamma, shift = jax.random.split(key, 4)
    n_label = fit.mean.size
    component = jax.random.categorical(which, fit.mode_log_weight, shape=(n,))
    white = jax.random.normal(normal, (n, n_label))
    half = DEGREES_OF_FREEDOM / 2
    stretch = jnp.sqrt(half / jax.random.gamma(gamma, half, (n,)))
    offset = jnp.einsum("dij,dj->di", fit.mode_cholesky[component], white * stretch[:, None])
    scaled = fit.mode_mean[component] + offset
    log_target = jax.vmap(lambda x: log_posterior(x, summary, prior, degree))(scaled)
    log_weight, khat = smooth_weights(log_target - _log_proposal(scaled, fit))
    weight = jnp.exp(log_weight)
    # systematic resampling: a proposal appears twice only when its weight asks for it
    place = (jnp.arange(draws) + jax.random.uniform(shift)) / draws
    chosen = jnp.clip(jnp.searchsorted(jnp.cumsum(weight), place), 0, n - 1)
    order = jax.random.permutation(which, draws)
    return Weighted(scaled[chosen][order], khat, 1.0 / jnp.sum(weight**2))


def _log_proposal(scaled: Float[Array, "draw label"], fit: Laplace) -> Float[Array, "draw"]:
    """Log density of the mixture of Student-t distributions, up to its common constant."""

    def one_mode(mean, cholesky, log_weight):
        offset = (scaled - mean[None]).T
        white = jax.scipy.linalg.solve_triangular(cholesky, offset, lower=True)
        log_det = jnp.sum(jnp.log(jnp.diagonal(cholesky)))
        power = (DEGREES_OF_FREEDOM + scaled.shape[1]) / 2
        tail = jnp.log1p(jnp.sum(white**2, axis=0) / DEGREES_OF_FREEDOM)
        return log_weight - log_det - power * tail

    parts = jax.vmap(one_mode)(fit.mode_mean, fit.mode_cholesky, fit.mode_log_weight)
    return logsumexp(parts, axis=0)
