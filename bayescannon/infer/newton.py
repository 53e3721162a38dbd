"""The posterior's maxima: damped Newton on the summary, from several starts, for many stars."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Bool, Float, Int

from ..labels import features
from ..typing import Array
from .prior import Prior
from .summary import Summary, log_likelihood

MAX_ITERATIONS = 100
TOLERANCE = 1e-8
"""Converged when the Newton decrement (twice the gain still expected in ln p) is below this."""
NEARLY_UNDAMPED = 1e-2
"""A damped step promises little gain anywhere: its decrement only counts below this damping."""
SAME_MODE = 0.05
"""Two maxima closer than this, in posterior sd, are one."""
NEGLIGIBLE = 12.0
"""A maximum whose ln p is lower than the best by more than this does not count as a mode."""


class Laplace(NamedTuple):
    """Gaussian approximation of each star's posterior at its highest maximum (scaled labels)."""

    mean: Float[Array, "star label"]
    cholesky: Float[Array, "star label label"]
    log_density: Float[Array, "star"]
    converged: Bool[Array, "star"]
    n_modes: Int[Array, "star"]


class _State(NamedTuple):
    x: Array
    value: Array
    damping: Array
    decrement: Array
    iteration: Array


@partial(jax.jit, static_argnames="degree")
def laplace(
    summary: Summary, prior: Prior, starts: Float[Array, "start label"], degree: int
) -> Laplace:
    """Maximise the posterior of every star and take its curvature there.

    Parameters
    ----------
    summary : Summary
        Of many stars.
    prior : Prior
        Over scaled labels.
    starts : (start, label)
        Where the optimiser begins; every star uses all.
    degree : int
        Degree of the features.

    Returns
    -------
    Laplace
        Mean, Cholesky factor of the covariance, whether the optimiser converged, and the number
        of distinct maxima found.
    """
    return jax.vmap(lambda s: _one_star(s, prior, starts, degree))(summary)


def log_posterior(x: Array, summary: Summary, prior: Prior, degree: int) -> Array:
    """Log likelihood plus log prior of one star at scaled labels x."""
    return log_likelihood(summary, features(x, degree)) + prior.log_prob(x)


def _one_star(summary: Summary, prior: Prior, starts: Array, degree: int) -> Laplace:
    def negative(x):
        return -log_posterior(x, summary, prior, degree)

    states = jax.vmap(partial(_minimise, negative))(starts)
    best = jnp.argmin(jnp.where(jnp.isfinite(states.value), states.value, jnp.inf))
    mean = states.x[best]
    curvature = jax.hessian(negative)(mean)
    root = jnp.linalg.cholesky(curvature)  # NaN where this is no maximum
    identity = jnp.eye(mean.size)
    inverse_root = lax.linalg.triangular_solve(root, identity, left_side=True, lower=True)
    covariance = inverse_root.T @ inverse_root
    cholesky = jnp.linalg.cholesky(covariance)
    white = (states.x - mean[None]) @ root
    counts = (states.value - states.value[best] < NEGLIGIBLE) & (states.decrement < TOLERANCE)
    return Laplace(
        mean=mean,
        cholesky=cholesky,
        log_density=-states.value[best],
        converged=(states.decrement[best] < TOLERANCE) & jnp.isfinite(cholesky).all(),
        n_modes=_count_distinct(white, counts),
    )


def _count_distinct(white: Array, counts: Array) -> Array:
    """Count maxima that no earlier one equals."""
    distance = jnp.linalg.norm(white[:, None] - white[None], axis=-1)
    earlier = jnp.tril(jnp.ones(distance.shape, bool), -1)
    repeated = jnp.any((distance < SAME_MODE) & earlier & counts[None], axis=1)
    return jnp.sum(counts & ~repeated)


def _minimise(function, start: Array) -> _State:
    """Levenberg's method: the Hessian, damped until it descends."""
    value_and_grad = jax.value_and_grad(function)
    hessian = jax.hessian(function)

    def step(state: _State) -> _State:
        value, gradient = value_and_grad(state.x)
        curvature = hessian(state.x)
        size = jnp.diag(jnp.abs(jnp.diagonal(curvature)) + 1e-12)
        newton = jnp.linalg.solve(curvature + state.damping * size, gradient)
        trial = state.x - newton
        trial_value = function(trial)
        downhill = gradient @ newton > 0
        better = (trial_value <= value) & downhill
        trusted = downhill & (state.damping < NEARLY_UNDAMPED)
        return _State(
            x=jnp.where(better, trial, state.x),
            value=jnp.where(better, trial_value, value),
            damping=jnp.where(better, state.damping * 0.1, jnp.maximum(state.damping, 1e-6) * 10),
            decrement=jnp.where(trusted, gradient @ newton, jnp.inf),
            iteration=state.iteration + 1,
        )

    def unfinished(state: _State):
        going = (state.decrement >= TOLERANCE) & (state.iteration < MAX_ITERATIONS)
        return going & jnp.isfinite(state.value)

    first = _State(start, function(start), jnp.asarray(1e-3), jnp.asarray(jnp.inf), jnp.asarray(0))
    return lax.while_loop(unfinished, step, first)
