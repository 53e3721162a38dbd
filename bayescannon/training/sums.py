"""What spectra say of the latent vectors of their stars, pixels summed."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from bayescannon.training.layout import Layout, Parameters
from bayescannon.typing import Array, StarPixels, Stars

PIXELS_AT_ONCE = 64
MOST_LEVERAGE = 0.98
"""A star that alone decides a pixel's loadings cannot be left out of them."""


class Sums(NamedTuple):
    """What spectra say of u, pixels summed: -2 ln L = u.gram.u - 2 right.u + constant."""

    gram: Float[Array, "star latent latent"]
    right: Float[Array, "star latent"]
    constant: Stars


@partial(jax.jit, static_argnames=("layout", "exact"))
def sum_pixels(
    layout: Layout,
    parameters: Parameters,
    flux: StarPixels,
    ivar: StarPixels,
    own: Float[Array, "star latent"],
    exact: bool = True,
) -> Sums:
    """Sum up the spectra of a block of stars.

    Parameters
    ----------
    layout, parameters
    flux, ivar : (star, pixel)
    own : (star, latent)
        E[u] of each star as it went into the loadings; 0 for stars that did not. The star is
        inferred with loadings that it has been left out of (Sherman & Morrison 1950).
    exact : bool
        False takes the curvature of the likelihood from the loadings of all stars without their
        uncertainty, and only its slope at `own` from those that leave the star out: as good where
        leverages are small, and several times faster.

    Returns
    -------
    Sums
        In expectation over the loadings' uncertainty if `exact`.
    """
    p = parameters
    flux, ivar = flux.astype(float), ivar.astype(float)
    weight = ivar / (1.0 + ivar * p.scatter2[None])
    measured = weight > 0
    left_out = _left_out if exact else _nearly_left_out
    gram, right = left_out(layout, p, weight, flux, own)
    log_weight = jnp.where(measured, jnp.log(jnp.where(measured, weight, 1.0)), 0.0)
    n_measured = jnp.sum(measured.astype(float), axis=1)
    constant = jnp.sum(weight * flux**2, axis=1) - jnp.sum(log_weight, axis=1)
    return Sums(gram, right, constant + n_measured * jnp.log(2 * jnp.pi))


def _left_out(layout: Layout, p: Parameters, weight, flux, own) -> tuple[Array, Array]:
    """Gram matrices and right-hand sides of a block of stars, few pixels at a time."""
    extra = -len(p.scatter2) % PIXELS_AT_ONCE
    pixels = ((0, 0), (0, extra)), ((0, extra), (0, 0))
    y, w = (jnp.pad(a, pixels[0]).T.reshape(-1, PIXELS_AT_ONCE, len(own)) for a in (flux, weight))
    loadings, packed = (
        jnp.pad(a, pixels[1]).reshape(-1, PIXELS_AT_ONCE, a.shape[1])
        for a in (p.loadings, p.uncertainty)
    )

    def add(total, part):
        y, w, loadings, packed = part
        along = (layout.unpack(packed).reshape(-1, layout.n_latent) @ own.T).reshape(
            PIXELS_AT_ONCE, layout.n_latent, len(own)
        )
        lever = jnp.minimum(w * jnp.einsum("pin,ni->pn", along, own), MOST_LEVERAGE)
        pull = w * (y - loadings @ own.T) / (1.0 - lever)
        without = jnp.transpose(loadings[:, :, None] - along * pull[:, None], (2, 1, 0))
        weighted = without * w.T[:, None]
        along = jnp.transpose(along, (2, 1, 0))
        gram = weighted @ jnp.swapaxes(without, 1, 2) + layout.unpack(w.T @ packed)
        gram += (along * (w**2 / (1.0 - lever)).T[:, None]) @ jnp.swapaxes(along, 1, 2)
        return (total[0] + gram, total[1] + jnp.einsum("nip,pn->ni", weighted, y)), None

    zero = jnp.zeros((len(own), layout.n_latent))
    zeros = (jnp.zeros((*zero.shape, layout.n_latent)), zero)
    found, _ = lax.scan(add, zeros, (y, w, loadings, packed))
    return found


def _nearly_left_out(layout: Layout, p: Parameters, weight, flux, own) -> tuple[Array, Array]:
    """The same by products of matrices over all pixels."""
    row, column = layout.pairs
    single = p.uncertainty.astype(jnp.float32)
    twice = np.where(row == column, 1.0, 2.0)[None]
    lever = (own[:, row] * own[:, column] * twice).astype(jnp.float32) @ single.T
    lever = jnp.minimum(weight * lever.astype(float), MOST_LEVERAGE)
    left = weight * (flux - own @ p.loadings.T) / (1.0 - lever)
    gram = weight @ (p.loadings[:, row] * p.loadings[:, column])
    gram = layout.unpack(gram)
    pull = (left**2).astype(jnp.float32) @ single
    slope = left @ p.loadings - jnp.einsum("nij,nj->ni", layout.unpack(pull.astype(float)), own)
    return gram, slope + jnp.einsum("nij,nj->ni", gram, own)
