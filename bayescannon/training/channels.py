"""Training on a few channels, most of which are labels themselves (catalogue abundances).

Joint training takes its factors from thousands of pixels; six channels show none, and a carried
label would learn nothing. Here the latent label is one (ln mass), the others are what their
channels say, and the rest of the channels (carbon, nitrogen) are quadratic in all labels with a
full covariance. Expectation-maximisation on a grid in the latent label: the definition is

    m ~ N(gamma . v(x), tau^2),   y ~ N(theta . v(x, m), Sigma),   m_catalogue ~ t_3(m, f e).

Catalogue masses have outliers, which a Gaussian error would have to stretch for. The EM step of
a Student error is that of a Gaussian whose precision is each star's own (Lange, Little & Taylor
1989, JASA 84, 881).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.labels import features
from bayescannon.typing import Stars

ROUNDS = 60
NODES = np.linspace(-5.0, 5.0, 97)
RIDGE = 1.0
"""Of the coefficients of order one and two, in units of one star's information."""
MIN_ERROR_SCALE = 0.3
DEGREES_OF_FREEDOM = 3
"""Of the errors in the latent label. Fitted freely they are 2.6 and 2.3 (branch and clump), where
the variance hardly exists, at no better held-out score; a Gaussian loses 0.06 a star."""


class ChannelFit(NamedTuple):
    """Coefficients and covariance of the channels that are no labels; f of the latent label."""

    coefficients: Float[np.ndarray, "channel feature"]
    covariance: Float[np.ndarray, "channel channel"]
    error_scale: float
    variance: Stars
    """Of the error in each star's catalogue value, as its outlyingness tells; inf if unknown."""


def fit_channels(
    x: Float[np.ndarray, "star known"],
    y: Float[np.ndarray, "star channel"],
    observed: Stars,
    variance: Stars,
) -> ChannelFit:
    """Fit the model above.

    Parameters
    ----------
    x : (star, known)
        Scaled labels that the star's own channels give.
    y : (star, channel)
        The other channels.
    observed, variance : (star,)
        Scaled catalogue value of the latent label, the last; NaN where not known, and the
        square of its quoted error.
    """
    known = np.isfinite(observed)
    seen, error = np.where(known, observed, 0.0), np.where(known, variance, 1e9)
    base = np.array(features(jnp.asarray(x)))
    gamma = _ridge(base[known], observed[known])
    spread = float(np.var(observed[known] - base[known] @ gamma))
    tau2, scale2 = max(spread - variance[known].mean(), 0.3 * spread), 1.0
    theta, sigma = None, np.eye(y.shape[1])
    n, k, nu = len(x), len(NODES), DEGREES_OF_FREEDOM
    for _ in range(ROUNDS):
        m = (base @ gamma)[:, None] + np.sqrt(tau2) * NODES[None]
        log_p = np.tile(-0.5 * NODES**2, (n, 1))
        miss = (seen[:, None] - m) ** 2 / (scale2 * error)[:, None]
        log_p -= 0.5 * (nu + 1) * np.log1p(miss / nu)
        points = np.concatenate([np.repeat(x[:, None], k, axis=1), m[..., None]], axis=-1)
        v = np.asarray(features(jnp.asarray(points.reshape(n * k, -1)))).reshape(n, k, -1)
        if theta is not None:
            off = y[:, None] - v @ theta.T
            log_p -= 0.5 * np.einsum("nki,ij,nkj->nk", off, np.linalg.inv(sigma), off)
        weight = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        normal = np.einsum("nk,nki,nkj->ij", weight, v, v, optimize=True)
        penalty = RIDGE * np.diag(np.r_[0.0, np.ones(v.shape[-1] - 1)])
        theta = np.linalg.solve(normal + penalty, np.einsum("nk,nki,nj->ij", weight, v, y)).T
        off = y[:, None] - v @ theta.T
        sigma = np.einsum("nk,nki,nkj->ij", weight, off, off) / n
        mean = (weight * m).sum(axis=1)
        gamma = _ridge(base, mean)
        tau2 = float((weight * (m - (base @ gamma)[:, None]) ** 2).sum() / n)
        trust = (nu + 1) / (nu + miss)
        grown = scale2 * (weight * trust * miss).sum(axis=1)[known].mean()
        scale2 = max(float(grown), MIN_ERROR_SCALE**2)
    own = np.where(known, scale2 * error / (weight * trust).sum(axis=1), np.inf)
    return ChannelFit(np.asarray(theta), sigma, float(np.sqrt(scale2)), own)


def _ridge(v, target) -> np.ndarray:
    penalty = RIDGE * np.diag(np.r_[0.0, np.ones(v.shape[1] - 1)])
    return np.linalg.solve(v.T @ v + penalty, v.T @ target)
