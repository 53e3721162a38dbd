"""Coordinates for a star's draws: middle and covariance of its posterior, better than at its top.

Under a mixture prior the curvature at the maximum is that of one component, and others widen or
skew the posterior. With the likelihood's Gaussian at the maximum, the posterior is a mixture, too:
its mean and covariance follow in closed form.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jaxtyping import Bool, Float

from bayescannon.labels import WhiteMixture, features
from bayescannon.posterior.likelihood import Summary
from bayescannon.posterior.newton import Laplace
from bayescannon.posterior.prior import Prior
from bayescannon.typing import Array

WITHIN, SMALL = 3.0, 1e-3
"""A maximum is covered by draws around the middle when it lies within `WITHIN` sd of it; one that
holds less than this share of the posterior need not be."""


class Frame(NamedTuple):
    """Coordinates of each star: mean + cholesky @ white."""

    mean: Float[Array, "*star label"]
    cholesky: Float[Array, "*star label label"]


@partial(jax.jit, static_argnames="degree")
def make_frame(
    summary: Summary, fit: Laplace, prior: Prior, degree: int
) -> tuple[Frame, Bool[Array, "star"]]:
    """Find the frame of every star.

    Parameters
    ----------
    summary : Summary
        Of many stars.
    fit : Laplace
        Their maxima.
    prior : Prior
        Over scaled labels; where it is no mixture, the frame is that of the highest maximum.
    degree : int
        Degree of the features.

    Returns
    -------
    frame : Frame
    covers : (star,)
        Whether all maxima that matter lie well inside.
    """
    frame = Frame(fit.mean, fit.cholesky)
    if isinstance(prior, WhiteMixture):
        moments = jax.vmap(partial(_moments, prior=prior, degree=degree))(summary, fit.mean)
        sound = jnp.isfinite(moments.cholesky).all(axis=(1, 2))
        frame = Frame(
            jnp.where(sound[:, None], moments.mean, frame.mean),
            jnp.where(sound[:, None, None], moments.cholesky, frame.cholesky),
        )
    return frame, jax.vmap(_covers)(frame, fit)


def _moments(summary: Summary, x: Array, *, prior: WhiteMixture, degree: int) -> Frame:
    """Mean and covariance of one star's posterior, its likelihood taken as Gaussian around x."""
    d, slope = features(x, degree).at[0].add(-1.0), jax.jacfwd(lambda at: features(at, degree))(x)
    gradient = slope.T @ (summary.b - summary.a @ d)
    precision = slope.T @ summary.a @ slope

    def component(log_weight, mean, inverse_root):
        white = inverse_root @ (x - mean)
        root = jnp.linalg.cholesky(precision + inverse_root.T @ inverse_root)
        pull = gradient - inverse_root.T @ white
        step = cho_solve((root, True), pull)
        log_det = jnp.sum(jnp.log(jnp.diagonal(root)))
        evidence = log_weight - 0.5 * white @ white + 0.5 * pull @ step - log_det
        return evidence, step, cho_solve((root, True), jnp.eye(x.size))

    evidence, step, covariance = jax.vmap(component)(
        prior.log_weight, prior.mean, prior.inverse_root
    )
    share = jax.nn.softmax(evidence)
    middle = share @ step
    away = step - middle[None]
    spread = jnp.einsum("c,cij->ij", share, covariance) + (away * share[:, None]).T @ away
    return Frame(x + middle, jnp.linalg.cholesky(spread))


def _covers(frame: Frame, fit: Laplace) -> Array:
    away = jax.scipy.linalg.solve_triangular(
        frame.cholesky, (fit.mode_mean - frame.mean[None]).T, lower=True
    )
    far = jnp.sum(away**2, axis=0) > WITHIN**2
    return ~jnp.any(far & (jax.nn.softmax(fit.mode_log_weight) > SMALL))
