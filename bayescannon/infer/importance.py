"""Importance sampling from the Laplace approximation: exact posteriors at the price of a Gaussian.

Proposals have Student-t tails around the posterior's middle or, where maxima lie far apart, around
each; their weights are Pareto-smoothed; the draws that are published are resampled from many more
proposals. All stars use one fixed block of points, spread evenly over the distribution, and each
star turns it by a random rotation of its own: around one middle the likelihood is a polynomial in
the block's coordinates, so the weights of many stars are one matrix product.
"""

from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Float
from scipy.special import gammaln
from scipy.stats import f as fisher

from ..batches import map_stars
from ..labels import feature_rows, monomials
from ..typing import Array
from .frame import Frame
from .newton import Laplace
from .prior import Prior, WhiteMixture
from .psis import smooth_weights
from .summary import STARS_AT_ONCE, Summary, log_likelihood_of_draws

PROPOSALS_PER_DRAW = 4
MIN_PROPOSALS = 400
"""Fewer say nothing about the tail of the weights, however few draws are asked for."""
DEGREES_OF_FREEDOM = 8
"""Of the Student-t tails: heavier than any posterior that a spectrum with photons leaves."""
MAX_MODES = 2
"""The modes of largest weight: two are all that a quadratic model has ever shown."""


class Weighted(NamedTuple):
    """Draws of many stars, and how well the proposal served."""

    draws: Float[Array, "star draw label"]
    khat: Float[Array, "star"]
    ess: Float[Array, "star"]


@partial(jax.jit, static_argnames=("draws", "degree"))
def importance(
    keys: jax.Array, summary: Summary, frame: Frame, prior: Prior, draws: int, degree: int
) -> Weighted:
    """Sample the posterior of every star around one middle, by importance resampling.

    Parameters
    ----------
    keys : PRNG keys (star,)
    summary : Summary
        Of the same stars.
    frame : Frame
        Middle and covariance of the proposals.
    prior : Prior
        Over scaled labels.
    draws : int
        Draws to publish; four times as many proposals are weighed.
    degree : int
        Degree of the features.

    Returns
    -------
    Weighted
        Equally weighted draws of scaled labels, k-hat, and the effective number of proposals.
    """
    n, n_label = max(draws * PROPOSALS_PER_DRAW, MIN_PROPOSALS), frame.mean.shape[1]
    points = _points(n, n_label)
    # single precision is enough in coordinates where the posterior has unit width
    block = jnp.asarray(points.astype(np.float32))
    constant = jnp.asarray(_log_student(points).astype(np.float32))
    turn, shift = jax.vmap(_random_turn, (0, None))(keys, n_label)
    turned = frame.cholesky @ turn
    polynomial = jax.vmap(partial(_polynomial, degree=degree))(summary, frame.mean, turned)
    log_like = polynomial.astype(jnp.float32) @ feature_rows(block, 2 * degree)
    rows = feature_rows(block, 2)

    def one_star(given):
        log_like, mean, turned, shift = given
        if isinstance(prior, WhiteMixture) and prior.bend is None:
            log_prior = prior.log_prob_along(mean, turned, rows)
        else:
            middle, axes = mean.astype(jnp.float32), turned.astype(jnp.float32)
            log_prior = prior.log_prob(middle[:, None] + axes @ block)
        log_ratio = log_like + log_prior.astype(jnp.float32) - constant
        chosen, khat, ess = _resample(log_ratio, shift, draws)
        return Weighted((mean[:, None] + turned @ block[:, chosen].astype(float)).T, khat, ess)

    return map_stars(one_star, (log_like, frame.mean, turned, shift), STARS_AT_ONCE)


@partial(jax.jit, static_argnames=("draws", "degree"))
def importance_of_modes(
    keys: jax.Array, summary: Summary, fit: Laplace, prior: Prior, draws: int, degree: int
) -> Weighted:
    """Do the same around all maxima of each star, as `fit` holds them."""
    n, n_label = max(draws * PROPOSALS_PER_DRAW, MIN_PROPOSALS), fit.mean.shape[1]

    def one_star(given):
        key, summary, fit = given
        log_weight, place = jax.lax.top_k(
            fit.mode_log_weight, min(MAX_MODES, fit.mode_log_weight.size)
        )
        weight = jax.nn.softmax(log_weight)
        modes = list(zip(weight, fit.mode_mean[place], fit.mode_cholesky[place], strict=True))
        turn, shift = _random_turn(key, n_label)
        white = turn @ jnp.asarray(_points(n, n_label))
        level = jax.random.uniform(jax.random.fold_in(key, 1), (n,))
        component = jnp.sum(level[None] > jnp.cumsum(weight)[:-1, None], axis=0)
        scaled = jnp.zeros_like(white)
        for k, (_, mean, root) in enumerate(modes):
            scaled = jnp.where(component[None] == k, mean[:, None] + root @ white, scaled)
        log_target = log_likelihood_of_draws(summary, scaled, degree) + prior.log_prob(scaled)
        chosen, khat, ess = _resample(log_target - _log_mixture(scaled, modes), shift, draws)
        return Weighted(scaled[:, chosen].T, khat, ess)

    return map_stars(one_star, (keys, summary, fit), STARS_AT_ONCE)


@partial(jax.jit, static_argnames="degree")
def log_evidence(summary: Summary, frame: Frame, prior: Prior, degree: int) -> Float[Array, "star"]:
    """Integrate likelihood times prior over the scaled labels of every star; natural logarithm.

    By importance sampling with `MIN_PROPOSALS` points that do not depend on seed or method.
    """
    n_label = frame.mean.shape[1]
    points = _points(MIN_PROPOSALS, n_label)
    white, log_proposal = jnp.asarray(points), jnp.asarray(_log_student(points))
    half = 0.5 * DEGREES_OF_FREEDOM
    constant = gammaln(half + 0.5 * n_label) - gammaln(half)
    constant -= 0.5 * n_label * np.log(DEGREES_OF_FREEDOM * np.pi)

    def one_star(given):
        summary, frame = given
        scaled = frame.mean[:, None] + frame.cholesky @ white
        log_target = log_likelihood_of_draws(summary, scaled, degree) + prior.log_prob(scaled)
        log_det = jnp.sum(jnp.log(jnp.diagonal(frame.cholesky)))
        log_ratio = log_target - log_proposal - constant + log_det
        return logsumexp(log_ratio) - jnp.log(float(MIN_PROPOSALS))

    return map_stars(one_star, (summary, frame), STARS_AT_ONCE)


def _log_mixture(scaled: Float[Array, "label draw"], modes: list) -> Float[Array, "draw"]:
    terms = []
    for weight, mean, root in modes:
        white = jnp.linalg.inv(root) @ (scaled - mean[:, None])
        log_det = jnp.sum(jnp.log(jnp.diagonal(root)))
        terms.append(jnp.log(weight) - log_det + _log_student(white))
    return logsumexp(jnp.stack(terms), axis=0)


def _log_student(white: Float[Array, "label draw"]) -> Float[Array, "draw"]:
    """Log density of the proposals, up to a constant."""
    power = (DEGREES_OF_FREEDOM + len(white)) / 2
    return -power * jnp.log1p((white**2).sum(axis=0) / DEGREES_OF_FREEDOM)


@cache
def _points(n: int, n_label: int) -> Float[np.ndarray, "label n"]:
    """Points whose distribution is Student's t: from the centre outwards, one in each n-th of it.

    In every direction their mean is 0 and their variance right, so that the error of one star is
    that of its random rotation, and stars err independently.
    """
    level = (np.arange(n) + 0.5) / n
    radius = np.sqrt(n_label * fisher.ppf(level, n_label, DEGREES_OF_FREEDOM))
    direction = np.random.default_rng(0).normal(size=(n_label, n))
    points = radius * direction / np.linalg.norm(direction, axis=0)
    points -= points.mean(axis=1, keepdims=True)
    root = np.linalg.cholesky(points @ points.T)
    return np.sqrt((radius**2).sum() / n_label) * np.linalg.solve(root, points)


def _random_turn(key: jax.Array, n_label: int) -> tuple[Array, Array]:
    """Draw a rotation from the uniform distribution, and a number between 0 and 1."""
    for_turn, for_shift = jax.random.split(key)
    normal = jax.random.normal(for_turn, (n_label, n_label))
    # Gram and Schmidt by Cholesky: R with a positive diagonal makes Q uniform
    root = jnp.linalg.cholesky(normal.T @ normal)
    turn = jax.lax.linalg.triangular_solve(root, normal, lower=True, transpose_a=True)
    return turn, jax.random.uniform(for_shift)


def _polynomial(
    summary: Summary, mean: Float[Array, "label"], frame: Float[Array, "label label"], degree: int
) -> Float[Array, "monomial"]:
    """Log likelihood as coefficients of all monomials in white coordinates, minus that at mean.

    `frame` leads from white to scaled labels. The features are polynomials of the white
    coordinates, too: as many points as there are features tell their coefficients.
    """
    at, inverse, collect = _interpolation(mean.size, degree)
    v = feature_rows(mean[:, None] + frame @ jnp.asarray(at), degree)
    to_features = (v @ jnp.asarray(inverse)).at[0, 0].add(-1.0)
    form = to_features.T @ summary.a @ to_features
    form = form.at[0].add(-2 * to_features.T @ summary.b)
    return jnp.asarray(collect) @ (-0.5 * form.ravel()).at[0].set(0.0)


@cache
def _interpolation(n_label: int, degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (label, feature), inverse of the features there, and how products of features add up.

    The last, (monomial, feature^2), is 1 where two features multiply to the monomial.
    """
    small, large = monomials(n_label, degree), monomials(n_label, 2 * degree)
    at = np.random.default_rng(0).normal(size=(n_label, len(small)))
    inverse = np.linalg.inv(np.prod(np.vstack([np.ones((1, len(small))), at])[small.T], axis=0))
    place = {tuple(powers): row for row, powers in enumerate(large)}
    pairs = [place[tuple(sorted([*one, *two]))] for one in small for two in small]
    return at, inverse, np.eye(len(large))[:, pairs]


def _resample(log_ratio: Float[Array, "n"], shift: Array, draws: int) -> tuple[Array, Array, Array]:
    """Choose proposals by their smoothed weights; give positions, k-hat and effective number.

    Systematic resampling: the published draws are spread as evenly as the proposals, and one
    appears twice only when its weight asks for it. They come in a random order.
    """
    log_weight, khat = smooth_weights(log_ratio)
    weight = jnp.exp(log_weight)
    place = ((jnp.arange(draws, dtype=float) + shift) / draws).astype(weight.dtype)
    chosen = jnp.clip(jnp.searchsorted(jnp.cumsum(weight), place), 0, weight.size - 1)
    order = jnp.asarray(np.random.default_rng(1).permutation(draws))
    turned = jnp.roll(order, jnp.asarray(shift * 1e6, int) % draws)
    return chosen[turned], khat.astype(float), (1.0 / jnp.sum(weight**2)).astype(float)
