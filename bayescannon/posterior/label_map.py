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
from jaxtyping import Float

from bayescannon.labels import features
from bayescannon.model import LabelMap
from bayescannon.posterior.likelihood import Summary, integrate_out
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

    s = summary
    seen = jnp.swapaxes(columns, 1, 2) @ s.a
    along = jnp.einsum("sfk,sf->sk", columns, s.b)
    form = (s.a, s.b, s.c, s.log_norm)
    a, b, c, log_norm = integrate_out(form, seen @ columns, seen, along)
    return s._replace(a=a, b=b, c=c, log_norm=log_norm)


def draw_shift(label_map: LabelMap, scaled: np.ndarray, degree: int, unit: np.ndarray):
    """Error of the label scale of simulated stars, (star, label), from unit Gaussian numbers."""
    v = np.asarray(features(jnp.asarray(scaled), degree))
    size = np.sqrt(np.einsum("ni,ij,nj->n", v, label_map.leverage, v))
    values, axes = np.linalg.eigh(label_map.covariance)
    return size[:, None] * (unit @ (axes * np.sqrt(np.maximum(values, 0.0))).T)
