"""Pareto-smoothed importance sampling (Vehtari et al. 2024, JMLR 25, 72), for vmap over stars."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.typing import Array, Scalar


def tail_size(n_draw: int) -> int:
    """Number of largest weights to which the Pareto distribution is fitted."""
    return math.ceil(min(0.2 * n_draw, 3 * math.sqrt(n_draw)))


def smooth_weights(log_weight: Float[Array, "draw"]) -> tuple[Float[Array, "draw"], Scalar]:
    """Replace the largest importance weights by quantiles of a Pareto fit to them.

    Parameters
    ----------
    log_weight : (draw,)
        Log importance ratios, up to a constant.

    Returns
    -------
    log_weight : (draw,)
        Smoothed, normalised to sum 1.
    khat : ()
        Shape of the fitted tail; above 0.7 the weights cannot be trusted. NaN where the ratios
        are not finite.
    """
    n_tail = tail_size(log_weight.size)
    ratio = jnp.asarray(log_weight) - jnp.max(log_weight)
    # selecting in single precision is fast; the few selected are then put in order exactly
    _, largest = jax.lax.top_k(ratio.astype(jnp.float32), n_tail + 1)
    largest = largest[jnp.argsort(ratio[largest])]
    cutoff = jnp.exp(jnp.maximum(ratio[largest[0]], math.log(np.finfo(ratio.dtype).tiny)))
    tail = largest[1:]
    excess = jnp.exp(ratio[tail]) - cutoff
    # ratios that are all alike have no tail: nothing to smooth
    alike = excess[-1] <= 1e-12
    some = jnp.linspace(1.0, 2.0, n_tail, dtype=ratio.dtype)
    khat, sigma = fit_pareto(jnp.where(alike, some, excess))
    quantile = jnp.asarray(-np.log1p(-(np.arange(n_tail) + 0.5) / n_tail)).astype(ratio.dtype)
    grown = jnp.where(
        jnp.abs(khat) < 1e-8, quantile, jnp.expm1(khat * quantile) / jnp.where(khat == 0, 1.0, khat)
    )
    smoothed = jnp.minimum(jnp.log(cutoff + sigma * grown), 0.0)
    smoothed = jnp.where(alike | ~jnp.isfinite(khat), ratio[tail], smoothed)
    ratio = ratio.at[tail].set(smoothed)
    total = jnp.log(jnp.sum(jnp.exp(ratio)))
    return ratio - total, jnp.where(alike, -jnp.inf, khat)


def fit_pareto(excess: Float[Array, "tail"]) -> tuple[Scalar, Scalar]:
    """Fit shape and scale of a generalised Pareto distribution (Zhang & Stephens 2009).

    Parameters
    ----------
    excess : (tail,)
        Ascending values above the cutoff.

    Returns
    -------
    khat, sigma : ()
        With the weak prior of Vehtari et al. that pulls khat of a short tail towards 0.5.
    """
    n = excess.size
    n_grid = 30 + int(math.sqrt(n))
    quartile = excess[int(n / 4 + 0.5) - 1]
    grid = 1.0 - np.sqrt(n_grid / (np.arange(1, n_grid + 1) - 0.5))
    theta = jnp.asarray(grid).astype(excess.dtype) / (3.0 * quartile) + 1.0 / excess[-1]
    shape = jnp.mean(jnp.log1p(-theta[:, None] * excess[None]), axis=1)
    log_like = n * (jnp.log(-theta / shape) - shape - 1.0)
    weight = 1.0 / jnp.sum(jnp.exp(log_like[None] - log_like[:, None]), axis=1)
    weight = jnp.where(weight >= 10 * np.finfo(excess.dtype).eps, weight, 0.0)
    best = jnp.sum(theta * weight) / jnp.sum(weight)
    khat = jnp.mean(jnp.log1p(-best * excess))
    sigma = -khat / best
    return (n * khat + 10 * 0.5) / (n + 10), sigma
