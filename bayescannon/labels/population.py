"""The density of labels in the training set: a small Gaussian mixture, label noise taken out.

It serves as the `population` prior, and as the yardstick of how far a star is from the training
set. Expectation-maximisation with noise per star is extreme deconvolution (Bovy et al. 2011).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import bayescannon.precision  # noqa: F401
from bayescannon.labels.mixture import Mixture
from bayescannon.typing import Array, StarLabels, Stars

MOST_COMPONENTS = 6
STARS_PER_COMPONENT = 200
"""More components than that follow the noise of the labels: posteriors would be too narrow."""
ROUNDS = 60
FLOOR = 0.05**2
"""Smallest variance of a component, in units of the training set's own."""


def fit_population(scaled: StarLabels, variance: StarLabels) -> Mixture:
    """Fit the mixture to noisy labels.

    Parameters
    ----------
    scaled : (star, label)
        Scaled training labels, all finite.
    variance : (star, label)
        Variance of their errors, scaled likewise; 0 where not known.

    Returns
    -------
    Mixture
        Density of the true labels: up to six components, the heaviest first.
    """
    n_star, n_label = scaled.shape
    # components start spread along the direction of largest variance: no random numbers needed
    order = np.argsort(np.asarray(scaled) @ _first_axis(np.asarray(scaled)))
    n_component = int(np.clip(n_star // STARS_PER_COMPONENT, 1, MOST_COMPONENTS))
    groups = np.array_split(order, n_component)
    start = Mixture(
        weight=jnp.full(n_component, 1.0 / n_component),
        mean=jnp.stack([jnp.mean(scaled[g], axis=0) for g in groups]),
        covariance=jnp.stack([jnp.cov(jnp.asarray(scaled).T) for _ in groups]).reshape(
            n_component, n_label, n_label
        ),
    )
    # pad with weightless stars, so that folds of nearly equal size share one compiled program
    pad = -n_star % 256
    use = jnp.pad(jnp.ones(n_star), (0, pad))
    rows = ((0, pad), (0, 0))
    found = _maximise(jnp.pad(scaled, rows), jnp.pad(variance, rows), use, start)
    heaviest = np.argsort(-np.asarray(found.weight), kind="stable")
    parts = (found.weight, found.mean, found.covariance)
    return Mixture(*(part[heaviest] for part in parts))


@jax.jit
def _maximise(scaled: StarLabels, variance: StarLabels, use: Stars, start: Mixture) -> Mixture:
    step = partial(_em_step, scaled, variance, use)
    return lax.fori_loop(0, ROUNDS, lambda _, mixture: step(mixture), start)


def _em_step(scaled: StarLabels, variance: StarLabels, use: Stars, mixture: Mixture) -> Mixture:
    noise = jax.vmap(jnp.diag)(variance)
    total = mixture.covariance[None] + noise[:, None]  # (star, component, label, label)
    log_density = jax.vmap(_log_normal, (0, None, 0))(scaled[:, None], mixture.mean, total)
    log_joint = jnp.log(mixture.weight)[None] + log_density
    share = use[:, None] * jax.nn.softmax(log_joint, axis=1)
    offset = scaled[:, None] - mixture.mean[None]
    gain = jnp.swapaxes(jnp.linalg.solve(total, mixture.covariance[None]), -1, -2)
    posterior_mean = mixture.mean[None] + jnp.einsum("scij,scj->sci", gain, offset)
    spread = mixture.covariance[None] - gain @ mixture.covariance[None]
    count = jnp.sum(share, axis=0)
    mean = jnp.einsum("sc,sci->ci", share, posterior_mean) / count[:, None]
    away = posterior_mean - mean[None]
    second = jnp.einsum("sc,sci,scj->cij", share, away, away)
    second = (second + jnp.einsum("sc,scij->cij", share, spread)) / count[:, None, None]
    second = 0.5 * (second + jnp.swapaxes(second, -1, -2))
    return Mixture(count / jnp.sum(count), mean, second + FLOOR * jnp.eye(scaled.shape[1])[None])


def _log_normal(x: Array, mean: Array, covariance: Array) -> Array:
    factor = jnp.linalg.cholesky(covariance)
    offset = jnp.broadcast_to(x - mean, mean.shape)
    white = lax.linalg.triangular_solve(factor, offset[..., None], left_side=True, lower=True)
    half_log_det = jnp.sum(jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
    n_label = mean.shape[-1]
    return (
        -0.5 * jnp.sum(white[..., 0] ** 2, axis=-1)
        - half_log_det
        - 0.5 * n_label * jnp.log(2 * jnp.pi)
    )


def _first_axis(scaled: np.ndarray) -> np.ndarray:
    _, _, axes = np.linalg.svd(scaled - scaled.mean(axis=0), full_matrices=False)
    return axes[0] * np.sign(axes[0][np.argmax(np.abs(axes[0]))])
