"""Loadings and scatter of every pixel given the moments of the latent vectors (the M-step)."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve
from jaxtyping import Float

from bayescannon.training.layout import Layout, Parameters
from bayescannon.training.shrink import flat_baseline, second_moment
from bayescannon.typing import Array, Pixels, StarPixels, Stars

PIXELS_PER_BLOCK = 512
RIDGE = 1e-9

Block = tuple[Float[jax.Array, "star block_pixel"], Float[jax.Array, "star block_pixel"]]
"""Flux and inverse variance of some pixels of all stars."""


def pixel_blocks(flux: StarPixels, ivar: StarPixels) -> list[Block]:
    """Cut spectra into blocks of `PIXELS_PER_BLOCK` pixels, the last one padded."""
    blocks = []
    for start in range(0, flux.shape[1], PIXELS_PER_BLOCK):
        parts = [a[:, start : start + PIXELS_PER_BLOCK] for a in (flux, ivar)]
        pad = ((0, 0), (0, PIXELS_PER_BLOCK - parts[0].shape[1]))
        y, w = (jnp.asarray(np.pad(a, pad)) for a in parts)
        blocks.append((y, w))
    return blocks


def fit_loadings(
    layout: Layout,
    parameters: Parameters,
    blocks: list[Block],
    use: Stars,
    u: Float[Array, "star latent"],
    uu: Float[Array, "star latent latent"],
    prior: Float[Array, "latent latent"] | None,
    rounds: int = 1,
) -> Parameters:
    """Ridge regression of each pixel on E[u], E[u u'], and a step of Fisher scoring in s^2.

    Parameters
    ----------
    layout, parameters
        `scatter2` of the parameters is where the step starts.
    blocks : list
        Flux and inverse variance as `pixel_blocks` cuts them.
    use : (star,)
        1 for stars that count.
    u, uu
        E[u] and E[u u'] of all stars; zero for those that do not count.
    prior : (latent, latent) or None
        Covariance of the empirical-Bayes prior of the loadings; None for a flat one.
    rounds : int
        Steps.

    Returns
    -------
    Parameters
        With new loadings, their uncertainty, and scatter.
    """
    n_pixel = len(parameters.scatter2)
    precision = jnp.zeros((layout.n_latent,) * 2) if prior is None else flat_baseline(prior)
    padded = jnp.pad(parameters.scatter2, (0, -n_pixel % PIXELS_PER_BLOCK))
    parts = []
    for i, (flux, ivar) in enumerate(blocks):
        s2 = padded[i * PIXELS_PER_BLOCK : (i + 1) * PIXELS_PER_BLOCK]
        for _ in range(rounds):
            mean, packed, s2 = _fit_block(layout, flux, ivar, s2, use, u, uu, precision)
        parts.append((mean, packed, s2))
    loadings, uncertainty, s2 = (jnp.concatenate(a)[:n_pixel] for a in zip(*parts, strict=True))
    return parameters._replace(loadings=loadings, uncertainty=uncertainty, scatter2=s2)


@partial(jax.jit, static_argnames="layout")
def _fit_block(
    layout: Layout,
    flux: StarPixels,
    ivar: StarPixels,
    scatter2: Pixels,
    use: Stars,
    u: Float[Array, "star latent"],
    uu: Float[Array, "star latent latent"],
    precision: Float[Array, "latent latent"],
) -> tuple[Array, Array, Array]:
    row, column = layout.pairs
    flux, ivar = flux.astype(float), ivar.astype(float)
    weight = use[:, None] * ivar / (1.0 + ivar * scatter2[None])
    packed = uu[:, row, column]
    normal = layout.unpack(weight.T @ packed)
    # fewer stars than loadings: what they do not say is zero
    size = jnp.einsum("pii->p", normal) / layout.n_latent
    normal += RIDGE * size[:, None, None] * jnp.eye(layout.n_latent)[None] + precision[None]
    # a pixel that no star has: any solution will do, it is not used
    empty = (jnp.sum(weight, axis=0) <= 0)[:, None, None]
    identity = jnp.broadcast_to(jnp.eye(layout.n_latent), normal.shape)
    factor = jnp.linalg.cholesky(jnp.where(empty, identity, normal))
    covariance = cho_solve((factor, True), identity)
    mean = jnp.einsum("pij,pj->pi", covariance, (weight * flux).T @ u)
    second = (covariance + mean[:, :, None] * mean[:, None, :])[:, row, column]
    twice = jnp.where(row == column, 1.0, 2.0)
    # E[(y - theta.u)^2] over the posterior of both theta and u
    squared = flux**2 - 2 * flux * (u @ mean.T) + packed @ (second * twice[None]).T
    score = jnp.sum(weight**2 * squared - weight, axis=0)
    information = jnp.maximum(jnp.sum(weight**2, axis=0), 1e-30)
    step = scatter2 + score / information
    new = jnp.clip(step, 0.0, 4 * scatter2 + 1e-6)
    return mean, covariance[:, row, column], new


def learn_prior(
    layout: Layout, parameters: Parameters, good: Pixels
) -> Float[Array, "latent latent"]:
    """Second moment of the loadings over pixels: the empirical-Bayes prior of the next round."""
    return second_moment(parameters.loadings, layout.unpack(parameters.uncertainty), good)
