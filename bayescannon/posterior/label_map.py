"""The uncertainty of the label scale, put into the summary of each star.

Training labels have errors, so that the map from spectra to labels is itself uncertain: by
(v.leverage.v) times a covariance at labels l (`model.LabelMap`). A star at l shows the spectrum of
l + e with e drawn from that. To first order v(l + e) = v(l) + G n with n ~ N(0, 1), so that n is
integrated out of (A, b, c) like a residual factor, exactly; G is taken at the star's own labels.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve
from jaxtyping import Float, Int

from bayescannon.labels import features
from bayescannon.model import LabelMap
from bayescannon.posterior.likelihood import Summary
from bayescannon.typing import Array, StarLabels


@partial(jax.jit, static_argnames="degree")
def scale_columns(
    leverage: Float[Array, "feature feature"],
    covariance: Float[Array, "label label"],
    scaled: StarLabels,
    degree: int,
) -> Float[Array, "star feature label"]:
    """G at given labels: coefficients @ G are the directions of one sd of the label scale."""
    values, axes = jnp.linalg.eigh(covariance)
    root = axes * jnp.sqrt(jnp.maximum(values, 0.0))[None]

    def one_star(x):
        v = features(x, degree)
        slope = jax.jacfwd(lambda at: features(at, degree))(x)
        return jnp.sqrt(v @ leverage @ v) * slope @ root

    return jax.vmap(one_star)(scaled)


@jax.jit
def with_label_map(summary: Summary, columns: Float[Array, "star feature label"]) -> Summary:
    """Integrate the label scale out of summaries.

    Parameters
    ----------
    summary : Summary
        Of many stars.
    columns : (star, feature, label)
        As `scale_columns` gives them.

    Returns
    -------
    Summary
        The diagonal parts, and so the paper's chi2, stay.
    """

    def one_star(a, b, c, g):
        seen, right = g.T @ a, g.T @ b
        inner = jnp.linalg.cholesky(jnp.eye(g.shape[1]) + seen @ g)
        solved, solved_right = cho_solve((inner, True), seen), cho_solve((inner, True), right)
        log_det = jnp.sum(jnp.log(jnp.diagonal(inner)))
        return a - seen.T @ solved, b - seen.T @ solved_right, c - right @ solved_right, log_det

    a, b, c, half = jax.vmap(one_star)(summary.a, summary.b, summary.c, columns)
    return summary._replace(a=a, b=b, c=c, log_norm=summary.log_norm - half)


def draw_shift(label_map: LabelMap, scaled: np.ndarray, degree: int, unit: np.ndarray):
    """Error of the label scale of simulated stars, (star, label), from unit Gaussian numbers."""
    v = np.asarray(features(jnp.asarray(scaled), degree))
    size = np.sqrt(np.einsum("ni,ij,nj->n", v, label_map.leverage, v))
    values, axes = np.linalg.eigh(label_map.covariance)
    return size[:, None] * (unit @ (axes * np.sqrt(np.maximum(values, 0.0))).T)


def error_of_mean(
    label_map: LabelMap,
    scaled: StarLabels,
    weight: Float[np.ndarray, "star"],
    cell: Int[np.ndarray, "star"],
) -> Float[np.ndarray, "cell label"]:
    """Sd of the label scale's error in the mean of many stars: they share it.

    Parameters
    ----------
    label_map : LabelMap
    scaled : (star, label)
    weight : (star,)
        Of each star in its cell's mean.
    cell : (star,)
        Counted from 0; -1 for none.

    Returns
    -------
    (cell, label), in scaled labels
        The map's error is linear in v(l) (`model.LabelMap`), so it is that of the mean v.
    """
    here = cell >= 0
    v = np.asarray(features(jnp.asarray(scaled[here])))
    total = np.zeros((int(cell.max(initial=-1)) + 1, v.shape[1]))
    np.add.at(total, cell[here], weight[here, None] * v)
    mean = total / np.bincount(cell[here])[:, None]
    size = np.sqrt(np.einsum("ci,ij,cj->c", mean, label_map.leverage, mean))
    return size[:, None] * np.sqrt(np.diagonal(label_map.covariance))[None]
