"""From labels that a spectrum shows to true labels: the model's errors, put into the draws.

The error is a law in label space (`model.LabelError`). As directions of spectra, integrated out of
the likelihood like factors, it would fail: v(l) bends out of their span, and thousands of pixels
punish that. As noise added to draws it is exact for any shape of the posterior.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.batches import map_stars
from bayescannon.labels import features
from bayescannon.model import LabelError
from bayescannon.model.error import LEAST_LEVERAGE
from bayescannon.posterior.likelihood import STARS_AT_ONCE
from bayescannon.typing import Array

STREAM, BENT = 7, 8
"""Folded into a star's key: the draws themselves have used it."""


def convolve(
    keys: jax.Array, draws: Float[Array, "star chain draw label"], error: LabelError, degree: int
) -> Float[np.ndarray, "star chain draw label"]:
    """Add errors of the model and of the label scale to draws.

    Parameters
    ----------
    keys : (star,)
        Keys of the stars: what is added depends on nothing else.
    draws : (star, chain, draw, label)
        Scaled labels as the spectra show them.
    error : LabelError
    degree : int
        Degree of the features.

    Returns
    -------
    (star, chain, draw, label)
        Draws of the true labels.
    """
    roots = (_root(error.covariance), _root(error.scale_covariance))
    known = (jnp.asarray(error.leverage), *roots)
    law = tuple(jnp.asarray(part) for part in (error.growth, error.typical, error.shared))
    degrees = None if np.isinf(error.degrees) else jnp.asarray(error.degrees)
    added = _added(keys, jnp.asarray(draws), known, law, degrees, degree)
    if error.curvature is None:
        return np.array(added)
    bend, sd = error.curvature.bend(draws, degree)
    sd = jnp.mean(sd, axis=(1, 2))[:, None, None]
    white = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, BENT), draws.shape[1:]))
    return np.array(added + bend + sd * white(keys))


@partial(jax.jit, static_argnames="degree")
def _added(keys, draws, known, law, degrees, degree: int) -> Array:
    (leverage, model_root, scale_root), (growth, typical, shared) = known, law

    def one(star):
        key, draws = star
        key = jax.random.fold_in(key, STREAM)
        v = features(jnp.mean(draws, axis=(0, 1)), degree)
        h = jnp.maximum(v @ leverage @ v, LEAST_LEVERAGE)
        first, second, third = jax.random.split(key, 3)
        size = jnp.full(draws.shape[:2], (h / typical) ** growth)
        if degrees is not None:
            precision = jax.random.gamma(third, 0.5 * degrees, draws.shape[:2]) / (0.5 * degrees)
            size = size / precision
        model = jax.random.normal(first, draws.shape) @ model_root.T
        scale = jax.random.normal(second, draws.shape) @ scale_root.T
        return draws + jnp.sqrt(size)[..., None] * model + jnp.sqrt(h + shared) * scale

    return map_stars(one, (keys, draws), STARS_AT_ONCE)


def _root(covariance: Float[Array, "label label"]) -> jax.Array:
    values, axes = np.linalg.eigh(np.asarray(covariance))
    return jnp.asarray(axes * np.sqrt(np.maximum(values, 0.0)))
