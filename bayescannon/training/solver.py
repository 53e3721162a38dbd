"""Coefficients and scatter of every pixel by restricted maximum likelihood, in batches.

For pixel p with weights w_n = 1 / (sigma_np^2 + s_p^2) and P = W - W V C V' W, where
C = (V' W V)^-1, the restricted log likelihood has derivative (y'PPy - tr P) / 2 in s^2 and
second derivative tr(PP) / 2 - y'PPPy. Both need only two matrix products over all pixels at
once: `W @ VV` for V'WV and `C @ VV'` for the leverages h (diag P = w (1 - h)).
"""

from enum import IntEnum
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import cho_solve
from jaxtyping import Float, Int

import bayescannon.precision  # noqa: F401
from bayescannon.batches import unpack
from bayescannon.typing import Array, Coefficients, Pixels, StarFeatures, StarPixels

PIXELS_PER_BLOCK = 256
STARS_MULTIPLE = 256
"""Stars are padded to a multiple of this with weight zero: folds share one compiled program."""

START = 0.03**2
"""First value of s^2. From above, the first Fisher step lands on the moment estimate."""
MAX_ITERATIONS = 40
TOLERANCE = 1e-4
"""A pixel has converged when its Newton step in s^2 is below this times the error of s^2."""


class Status(IntEnum):
    """What became of a pixel. Failures are data: training never stops half-way."""

    OK = 0
    FEW_STARS = 1
    SINGULAR = 2
    NOT_CONVERGED = 3


class PixelFit(NamedTuple):
    """Result of training, one entry a pixel; coefficients are 0 where `status` is not OK."""

    coefficients: Coefficients
    covariance: Float[Array, "pixel feature feature"]
    scatter: Pixels
    status: Int[Array, "pixel"]
    iterations: Int[Array, "pixel"]


class _State(NamedTuple):
    s2: Array
    theta: Array
    covariance: Array
    converged: Array
    iterations: Array


def fit_pixels(flux: StarPixels, ivar: StarPixels, v: StarFeatures, progress=None) -> PixelFit:
    """Train all pixels.

    Parameters
    ----------
    flux, ivar : (star, pixel)
        Normalised flux and inverse variance; ivar 0 = not measured.
    v : (star, feature)
        Features of the training labels.
    progress : callable, optional
        Called with the number of pixels done after each block.

    Returns
    -------
    PixelFit
        Coefficients and their covariance, scatter s [flux units], status codes and iterations.
    """
    n_star, n_pixel = flux.shape
    pad_star = -n_star % STARS_MULTIPLE
    v = jnp.pad(jnp.asarray(v), ((0, pad_star), (0, 0)))
    row, column = np.triu_indices(v.shape[1])
    vv = v[:, row] * v[:, column]
    blocks = []
    for start in range(0, n_pixel, PIXELS_PER_BLOCK):
        here = slice(start, min(start + PIXELS_PER_BLOCK, n_pixel))
        pad = ((0, PIXELS_PER_BLOCK - (here.stop - start)), (0, pad_star))
        y, w = (jnp.asarray(np.pad(np.asarray(a)[:, here].T, pad)) for a in (flux, ivar))
        block = _fit_block(y, w, v, vv)
        blocks.append(jax.tree.map(lambda a, n=here.stop - start: np.asarray(a)[:n], block))
        if progress is not None:
            progress(here.stop)
    return PixelFit(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


@jax.jit
def _fit_block(
    y: Float[Array, "pixel star"],
    ivar: Float[Array, "pixel star"],
    v: StarFeatures,
    vv: Float[Array, "star pair"],
) -> PixelFit:
    n_pixel, n_feature = y.shape[0], v.shape[1]
    start = _State(
        s2=jnp.full(n_pixel, START),
        theta=jnp.zeros((n_pixel, n_feature)),
        covariance=jnp.zeros((n_pixel, n_feature, n_feature)),
        converged=jnp.zeros(n_pixel, bool),
        iterations=jnp.zeros(n_pixel, int),
    )
    enough = jnp.sum(ivar > 0, axis=1) > n_feature + 1

    def unfinished(state: _State):
        return jnp.any(~state.converged & enough & (state.iterations < MAX_ITERATIONS))

    state = lax.while_loop(unfinished, partial(_step, y, ivar, v, vv), start)
    finite = jnp.isfinite(state.theta).all(axis=1) & jnp.isfinite(state.s2)
    status = jnp.select(
        [~enough, ~finite, ~state.converged],
        [Status.FEW_STARS, Status.SINGULAR, Status.NOT_CONVERGED],
        Status.OK,
    )
    good = status == Status.OK
    return PixelFit(
        coefficients=jnp.where(good[:, None], state.theta, 0.0),
        covariance=jnp.where(good[:, None, None], state.covariance, 0.0),
        scatter=jnp.where(good, jnp.sqrt(state.s2), 0.0),
        status=status,
        iterations=state.iterations,
    )


def _step(y: Array, ivar: Array, v: Array, vv: Array, state: _State) -> _State:
    row, column = np.triu_indices(v.shape[1])
    w = ivar / (1.0 + ivar * state.s2[:, None])
    normal = unpack(w @ vv, v.shape[1])
    factor = jnp.linalg.cholesky(normal)
    identity = jnp.broadcast_to(jnp.eye(v.shape[1]), normal.shape)
    covariance = cho_solve((factor, True), identity)
    theta = jnp.einsum("pij,pj->pi", covariance, (w * y) @ v)
    residual = w * (y - theta @ v.T)  # P y
    pairs = jnp.where(row == column, 1.0, 2.0)[None] * covariance[:, row, column]
    diagonal = w * (1.0 - w * (pairs @ vv.T))  # diag P
    score = 0.5 * (jnp.sum(residual**2, axis=1) - jnp.sum(diagonal, axis=1))
    expected = 0.5 * jnp.sum(diagonal**2, axis=1)
    g = (w * residual) @ v
    third = jnp.sum(w * residual**2, axis=1) - jnp.einsum("pi,pij,pj->p", g, covariance, g)
    observed = third - expected
    # far from the maximum the curvature can have the wrong sign: the expected one cannot
    information = jnp.where(observed > 0.3 * expected, observed, expected)
    s2 = jnp.maximum(state.s2 + score / information, 0.0)
    converged = jnp.abs(s2 - state.s2) * jnp.sqrt(expected) <= TOLERANCE
    # where the step is negligible it is not taken: the coefficients belong to the s^2 before it,
    # and a converged pixel does not depend on how long its neighbours take
    keep = state.converged | converged
    return _State(
        s2=jnp.where(keep, state.s2, s2),
        theta=jnp.where(state.converged[:, None], state.theta, theta),
        covariance=jnp.where(state.converged[:, None, None], state.covariance, covariance),
        converged=keep,
        iterations=state.iterations + (~state.converged).astype(int),
    )
