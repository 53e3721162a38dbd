"""The E-step: the posterior of each star's labels and factors while the model is being trained."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import cho_solve
from jax.scipy.special import logsumexp
from jaxtyping import Float
from scipy.stats import norm, qmc

from bayescannon.batches import map_stars
from bayescannon.labels import features
from bayescannon.training.layout import Layout, Parameters, Population
from bayescannon.training.sums import Sums
from bayescannon.typing import Array, Scalar, StarLabels, Stars

N_POINTS = 64
"""Half the number of points that stand for a star's posterior."""
NEWTON_STEPS = 20
CLOSE = 1e-4
"""A maximum is found when a step promises less gain in ln p than half of this."""
STARS_AT_ONCE = 64
EDGE = 0.1
"""Width of the soft bounds, in units of the range between them."""


class LabelPrior(NamedTuple):
    """What is believed of labels before the spectrum: the population, and soft bounds."""

    believed: Scalar
    """1 where the population counts, 0 where the spectrum shall speak alone."""
    low: Float[Array, "label"]
    high: Float[Array, "label"]

    @classmethod
    def population(cls, n_label: int) -> "LabelPrior":
        """The population without bounds."""
        return cls(jnp.ones(()), jnp.full(n_label, -jnp.inf), jnp.full(n_label, jnp.inf))

    @classmethod
    def flat(cls, observed: StarLabels) -> "LabelPrior":
        """The range of catalogue labels, NaN where not known."""
        bounds = (np.nanmin(observed, axis=0), np.nanmax(observed, axis=0))
        return cls(jnp.zeros(()), *map(jnp.asarray, bounds))


class PosteriorPoints(NamedTuple):
    """Posterior of stars: weighted points in label space, and the factors given the labels."""

    labels: Float[Array, "star point label"]
    weight: Float[Array, "star point"]
    factors: Float[Array, "star point factor"]
    factor_covariance: Float[Array, "star factor factor"]
    log_evidence: Stars


class Moments(NamedTuple):
    """Posterior expectations of u, and of the labels."""

    u: Float[Array, "star latent"]
    uu: Float[Array, "star latent latent"]
    labels: StarLabels
    covariance: Float[Array, "star label label"]


@partial(jax.jit, static_argnames="layout")
def infer_stars(
    layout: Layout,
    parameters: Parameters,
    sums: Sums,
    observed: StarLabels,
    precision: Float[Array, "star label label"],
    start: StarLabels,
    prior: LabelPrior,
) -> PosteriorPoints:
    """Posterior of labels and factors of a block of stars (the E-step).

    Parameters
    ----------
    layout, parameters, sums
    observed : (star, label)
    precision : (star, label, label)
        Catalogue labels, and the inverse covariance of what lies between them and those that the
        spectrum shows; 0 where the catalogue shall not count.
    start : (star, label)
        Where Newton's method begins.
    prior : LabelPrior

    Returns
    -------
    PosteriorPoints
    """
    one = partial(_one_star, layout, parameters.population, prior)
    stars = (*sums, observed, precision, start)
    return map_stars(lambda star: one(*star), stars, STARS_AT_ONCE)


def _one_star(
    layout: Layout,
    population: Population,
    prior: LabelPrior,
    gram: Array,
    right: Array,
    constant: Scalar,
    observed: Array,
    precision: Array,
    start: Array,
) -> PosteriorPoints:
    k = layout.n_feature
    inner = jnp.linalg.cholesky(jnp.eye(layout.n_factor) + gram[k:, k:])
    solved = cho_solve((inner, True), gram[k:, :k])
    solved_right = cho_solve((inner, True), right[k:])
    a = gram[:k, :k] - gram[k:, :k].T @ solved
    b = right[:k] - gram[k:, :k].T @ solved_right
    c = constant - right[k:] @ solved_right + 2 * jnp.sum(jnp.log(jnp.diagonal(inner)))

    def minus_log(scaled):
        v = features(scaled, layout.degree)
        spectrum = v @ a @ v - 2 * (v @ b) + c
        off = scaled - observed
        out = 0.5 * (spectrum + off @ precision @ off)
        out += _minus_log_population(population, prior.believed, scaled)
        outside = jnp.maximum(prior.low - scaled, 0.0) + jnp.maximum(scaled - prior.high, 0.0)
        bounded = jnp.isfinite(prior.low)
        width = jnp.where(bounded, EDGE * (prior.high - prior.low), 1.0)
        return out + 0.5 * jnp.sum((outside / width) ** 2)

    def curvature(scaled):
        """Convex part of the Hessian: without the bend of v(l), which can point uphill."""
        slope = jax.jacfwd(lambda at: features(at, layout.degree))(scaled)
        beyond = (scaled < prior.low) | (scaled > prior.high)
        stiff = jnp.where(beyond, (EDGE * (prior.high - prior.low)) ** -2.0, 0.0)
        known = prior.believed * jnp.linalg.inv(population.covariance)
        return slope.T @ a @ slope + precision + known + jnp.diag(stiff)

    mode, root = _maximum(minus_log, curvature, start)
    white = jnp.asarray(_points(layout.n_label))
    labels = mode[None] + white @ root.T
    log_weight = 0.5 * jnp.sum(white**2, axis=1) - jax.vmap(minus_log)(labels)
    total = logsumexp(log_weight)
    log_volume = jnp.sum(jnp.log(jnp.diagonal(root))) + 0.5 * layout.n_label * jnp.log(2 * jnp.pi)
    v = features(labels, layout.degree)
    factors = (solved_right[:, None] - solved @ v.T).T
    return PosteriorPoints(
        labels=labels,
        weight=jnp.exp(log_weight - total),
        factors=factors,
        factor_covariance=cho_solve((inner, True), jnp.eye(layout.n_factor)),
        log_evidence=total - jnp.log(len(white)) + log_volume,
    )


def _minus_log_population(population: Population, believed: Scalar, scaled: Array) -> Array:
    factor = jnp.linalg.cholesky(population.covariance)
    away = scaled - population.mean
    white = lax.linalg.triangular_solve(factor, away[:, None], left_side=True, lower=True)
    out = believed * (0.5 * jnp.sum(white**2) + jnp.sum(jnp.log(jnp.diagonal(factor))))
    return out + 0.5 * len(scaled) * jnp.log(2 * jnp.pi)


def _maximum(minus_log, curvature_of, start: Array) -> tuple[Array, Array]:
    """Levenberg's method: the maximum, and a root of the inverse curvature there."""
    gradient = jax.grad(minus_log)

    def step(state):
        x, value, damping, count, _ = state
        curvature, slope = curvature_of(x), gradient(x)
        size = jnp.diag(jnp.abs(jnp.diagonal(curvature)) + 1e-9)
        move = jnp.linalg.solve(curvature + damping * size, slope)
        trial = minus_log(x - move)
        better = trial <= value + 1e-9 * jnp.abs(value)
        return (
            jnp.where(better, x - move, x),
            jnp.where(better, trial, value),
            jnp.where(better, 0.2 * damping, 10 * jnp.maximum(damping, 1e-5)),
            count + 1,
            better & (slope @ move < CLOSE),
        )

    first = (start, minus_log(start), jnp.asarray(1e-3), jnp.asarray(0), jnp.asarray(False))
    x, *_ = lax.while_loop(lambda state: ~state[4] & (state[3] < NEWTON_STEPS), step, first)
    values, axes = jnp.linalg.eigh(curvature_of(x))
    # a direction without curvature is as wide as the labels themselves, whose scale is 1
    inverse = (axes / jnp.maximum(values, 1.0)[None]) @ axes.T
    return x, jnp.linalg.cholesky(inverse)


def _points(n_label: int) -> np.ndarray:
    """Antithetic Sobol points of a unit Gaussian, made to have exactly its first two moments."""
    uniform = qmc.Sobol(n_label, rng=1).random(N_POINTS)
    white = norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6))
    white = np.concatenate([white, -white])
    root = np.linalg.cholesky(white.T @ white / len(white))
    return np.linalg.solve(root, white.T).T


@partial(jax.jit, static_argnames="layout")
def moments(layout: Layout, points: PosteriorPoints, shift: StarLabels) -> Moments:
    """Take expectations over points whose labels are first moved by `shift` (star, label)."""

    def one(star: tuple[PosteriorPoints, Array]) -> Moments:
        points, shift = star
        labels = points.labels + shift[None]
        v = features(labels, layout.degree)
        u = jnp.concatenate([v, points.factors], axis=1)
        weighted = points.weight[:, None] * u
        mean = points.weight @ labels
        away = labels - mean[None]
        k = layout.n_feature
        return Moments(
            u=points.weight @ u,
            uu=jnp.asarray(weighted.T @ u).at[k:, k:].add(points.factor_covariance),
            labels=mean,
            covariance=(points.weight[:, None] * away).T @ away,
        )

    return map_stars(one, (points, shift), STARS_AT_ONCE)
