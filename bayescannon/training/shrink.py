"""Empirical-Bayes shrinkage: one Gaussian prior for the coefficients of all pixels.

Noise in the coefficients acts like information about the labels: a model without shrinkage is
overconfident, most for the labels that the spectrum shows least.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from bayescannon.typing import Array, Coefficients

ROUNDS = 15
SMALLEST = 0.05
"""Variance of the prior where EM begins, at least, in units of the mean error variance."""


class Shrunk(NamedTuple):
    """Posterior of the coefficients, and the covariance of the prior that was learned."""

    coefficients: Coefficients
    covariance: Float[Array, "pixel feature feature"]
    prior: Float[Array, "feature feature"]


@jax.jit
def shrink(
    coefficients: Coefficients,
    covariance: Float[Array, "pixel feature feature"],
    good: Float[Array, "pixel"],
) -> Shrunk:
    """Learn N(0, Omega) over the coefficients of all good pixels by EM, and apply it.

    Parameters
    ----------
    coefficients, covariance
        Estimates of each pixel and their error covariance. The first coefficient, the
        baseline, has a flat prior.
    good : (pixel,)
        1 for pixels that count, 0 for others (which are left as they are).

    Returns
    -------
    Shrunk
    """
    identity = jnp.eye(coefficients.shape[1])
    safe = jnp.where(good[:, None, None] > 0, covariance, identity[None])
    precision = jnp.linalg.inv(safe)
    pull = jnp.einsum("pij,pj->pi", precision, coefficients)

    def apply(prior: Array) -> tuple[Array, Array]:
        c = jnp.linalg.inv(precision + flat_baseline(prior)[None])
        return jnp.einsum("pij,pj->pi", c, pull), c

    def step(_, prior: Array) -> Array:
        return second_moment(*apply(prior), good)

    prior = lax.fori_loop(0, ROUNDS, step, _moment_estimate(coefficients, safe, good))
    mean, c = apply(prior)
    keep = good[:, None] > 0
    return Shrunk(
        jnp.where(keep, mean, coefficients), jnp.where(keep[..., None], c, covariance), prior
    )


def _moment_estimate(coefficients: Array, covariance: Array, good: Array) -> Array:
    """Scatter of the coefficients less their errors, kept positive: EM is near its end there."""
    total = second_moment(coefficients, jnp.zeros(covariance.shape), good)
    error = second_moment(jnp.zeros(coefficients.shape), covariance, good)
    root = jnp.linalg.cholesky(error)
    white = jnp.linalg.solve(root, jnp.linalg.solve(root, total).T)
    values, axes = jnp.linalg.eigh(0.5 * (white + white.T))
    inner = (axes * jnp.maximum(values - 1.0, SMALLEST)[None]) @ axes.T
    return root @ inner @ root.T


def second_moment(
    mean: Coefficients, covariance: Float[Array, "pixel feature feature"], good: Array
) -> Float[Array, "feature feature"]:
    """Average E[theta theta'] over good pixels: the prior covariance that explains them best."""
    total = (good[:, None] * mean).T @ mean + jnp.einsum("p,pij->ij", good, covariance)
    return total / jnp.maximum(jnp.sum(good), 1.0)


def flat_baseline(prior: Float[Array, "feature feature"]) -> Float[Array, "feature feature"]:
    """Invert a prior covariance, with precision 0 for the first coefficient."""
    # a coefficient that no pixel shows has no variance: a floor keeps its precision finite
    rest = prior[1:, 1:]
    floor = 1e-12 * jnp.max(jnp.diagonal(rest)) + 1e-30
    inverse = jnp.linalg.inv(rest + floor * jnp.eye(len(rest)))
    return jnp.pad(0.5 * (inverse + inverse.T), ((1, 0), (1, 0)))
