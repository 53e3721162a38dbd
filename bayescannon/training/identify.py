"""Choosing coordinates: spectra fix the latent vectors only up to a change of variables.

Expectation-maximisation crawls along such directions (the posterior of a label from 7000 pixels is
five times sharper than its catalogue value, so each round moves the label scale by a few per
cent), or drifts along them without end. Each function here takes one of these steps at once.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.training.e_step import Moments
from bayescannon.training.layout import Layout
from bayescannon.typing import Array, Pixels, StarLabels, Stars

MIN_INFORMATION = 2.0
"""A factor is kept where the spectrum says twice as much of it as its unit prior does."""
RIDGE = 1e-10


def recalibrate(
    layout: Layout, m: Moments, observed: StarLabels, precision: StarLabels
) -> StarLabels:
    """Put the labels on the catalogue's scale.

    Weighted least squares of (catalogue - inferred) on E[u]: at the solution no feature and no
    factor predicts what is left.

    Parameters
    ----------
    layout, m
        `m` from spectra alone.
    observed, precision : (star, label)
        Catalogue labels, and their inverse error variances; 0 = not known.

    Returns
    -------
    (star, label)
        What to add to the inferred labels.
    """
    shift = jnp.zeros(m.labels.shape)
    for label in range(layout.n_label):
        weight = precision[:, label]
        missed = jnp.where(weight > 0, observed[:, label] - m.labels[:, label], 0.0)
        normal = (weight[:, None] * m.u).T @ m.u
        fit = _solve(normal, (weight * missed) @ m.u)
        shift = shift.at[:, label].set(m.u @ fit)
    return shift


def standardise(layout: Layout, m: Moments, use: Stars) -> Float[Array, "latent latent"]:
    """Make the factors what they are meant to be: white, nothing of the labels in them.

    Parameters
    ----------
    layout, m
    use : (star,)
        1 for stars that count.

    Returns
    -------
    (latent, latent)
        New u = this @ u: what labels explain of the factors is taken out, the rest whitened.
    """
    k = layout.n_feature
    uu = jnp.einsum("n,nij->ij", use, m.uu)
    slope = _solve(uu[:k, :k], uu[:k, k:]).T
    left = (uu[k:, k:] - slope @ uu[:k, k:]) / jnp.sum(use)
    values, axes = jnp.linalg.eigh(0.5 * (left + left.T))
    white = (axes / jnp.sqrt(jnp.maximum(values, 1e-6))[None]) @ axes.T
    return jnp.eye(layout.n_latent).at[k:, k:].set(white).at[k:, :k].set(-white @ slope)


def change_variables(m: Moments, change: Float[Array, "latent latent"]) -> Moments:
    """Moments of change @ u."""
    return m._replace(
        u=m.u @ change.T,
        uu=jnp.einsum("ij,njk,lk->nil", change, m.uu, change),
    )


def factor_information(
    layout: Layout, loadings: Float[Array, "pixel latent"], weight: Pixels
) -> tuple[Float[np.ndarray, "factor"], Float[np.ndarray, "factor factor"]]:
    """How well a mean spectrum measures each direction of the factors while labels are free.

    A factor that looks like a change of a label tells nothing of itself: likelihood does not
    decide how much of that label's error is the factor's, and EM lets it grow. Such a direction
    has no information here.

    Parameters
    ----------
    layout, loadings
    weight : (pixel,)
        Mean inverse variance.

    Returns
    -------
    information : (factor,)
        Ascending; the prior's is 1.
    axes : (factor, factor)
        Columns are the directions.
    """
    gram = np.asarray((weight[:, None] * loadings).T @ loadings)
    x, z = layout.linear, np.arange(layout.n_feature, layout.n_latent)
    across = gram[np.ix_(x, z)]
    seen = gram[np.ix_(z, z)] - across.T @ np.linalg.solve(gram[np.ix_(x, x)], across)
    values, axes = np.linalg.eigh(seen)
    return values, axes


def _solve(normal: Array, right: Array) -> jax.Array:
    """Solve normal equations whose diagonal may span many orders."""
    size = jnp.sqrt(jnp.diagonal(normal)) + 1e-30
    scaled = normal / size[:, None] / size[None] + RIDGE * jnp.eye(len(size))
    if right.ndim == 2:
        return jnp.linalg.solve(scaled, right / size[:, None]) / size[:, None]
    return jnp.linalg.solve(scaled, right / size) / size
