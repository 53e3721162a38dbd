"""Importance sampling from the Laplace approximation: exact posteriors at the price of a Gaussian.

Proposals have Student-t tails around the posterior's middle or, where maxima lie far apart, around
each; their weights are Pareto-smoothed; the draws that are published are resampled from many more
proposals. All stars use one fixed block of points, spread evenly over the distribution, and each
star turns it by a random rotation of its own: around one middle the likelihood is a polynomial in
the block's coordinates, so the weights of many stars are one matrix product.
"""

from functools import cache, partial
from itertools import product, zip_longest
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Float, Int
from scipy.stats import f as fisher

from bayescannon.batches import map_stars
from bayescannon.labels import WhiteMixture, feature_rows, monomials
from bayescannon.posterior.frame import Frame
from bayescannon.posterior.likelihood import (
    STARS_AT_ONCE,
    Summary,
    log_likelihood_of_draws,
)
from bayescannon.posterior.newton import Laplace
from bayescannon.posterior.prior import Prior
from bayescannon.posterior.psis import smooth_weights
from bayescannon.typing import Array

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
    points = _in_single(n, n_label)
    turn, shift = jax.vmap(random_turn, (0, None))(keys, n_label)
    turned = frame.cholesky @ turn
    log_like = _log_like_around(summary, frame.mean, turned, points, degree)

    def one_star(given):
        log_like, mean, turned, shift = given
        log_ratio = log_like + _log_prior_over_proposal(prior, mean, turned, points)
        chosen, khat, ess = _resample(log_ratio, shift, draws)
        # placing all proposals is one product; placing the chosen ones would copy them first
        placed = mean[:, None] + turned @ points.white.astype(float)
        return Weighted(placed[:, chosen].T, khat, ess)

    return map_stars(one_star, (log_like, frame.mean, turned, shift), STARS_AT_ONCE)


@partial(jax.jit, static_argnames=("draws", "degree"))
def importance_of_modes(
    keys: jax.Array, summary: Summary, fit: Laplace, prior: Prior, draws: int, degree: int
) -> Weighted:
    """Sample the posterior of every star around its maxima, by importance resampling.

    Parameters
    ----------
    keys, summary, prior, draws, degree
        As in `importance`.
    fit : Laplace
        Holds the maxima of each star.

    Returns
    -------
    Weighted
        Equally weighted draws of scaled labels, k-hat, and the effective number of proposals.
    """
    n, n_label = max(draws * PROPOSALS_PER_DRAW, MIN_PROPOSALS), fit.mean.shape[1]

    def one_star(given):
        key, summary, fit = given
        log_weight, place = jax.lax.top_k(
            fit.mode_log_weight, min(MAX_MODES, fit.mode_log_weight.size)
        )
        weight = jax.nn.softmax(log_weight)
        modes = list(zip(weight, fit.mode_mean[place], fit.mode_cholesky[place], strict=True))
        turn, shift = random_turn(key, n_label)
        white = turn @ jnp.asarray(student_points(n, n_label))
        level = jax.random.uniform(jax.random.fold_in(key, 1), (n,))
        component = jnp.sum(level[None] > jnp.cumsum(weight)[:-1, None], axis=0)
        scaled = jnp.zeros_like(white)
        for k, (_, mean, root) in enumerate(modes):
            scaled = jnp.where(component[None] == k, mean[:, None] + root @ white, scaled)
        log_target = log_likelihood_of_draws(summary, scaled, degree) + prior.log_prob(scaled)
        chosen, khat, ess = _resample(log_target - _log_mixture(scaled, modes), shift, draws)
        return Weighted(scaled[:, chosen].T, khat, ess)

    return map_stars(one_star, (keys, summary, fit), STARS_AT_ONCE)


class _Points(NamedTuple):
    """Proposals in white coordinates, in single precision: enough where posteriors have width 1."""

    white: Float[Array, "label draw"]
    log_density: Float[Array, "draw"]


def _in_single(n: int, n_label: int) -> _Points:
    points = student_points(n, n_label)
    return _Points(*(jnp.asarray(a.astype(np.float32)) for a in (points, _log_student(points))))


def _log_like_around(
    summary: Summary,
    mean: Float[Array, "star label"],
    frame: Float[Array, "star label label"],
    points: _Points,
    degree: int,
) -> Float[Array, "star draw"]:
    """Log likelihood at mean + frame @ points, minus that at mean."""
    polynomial = jax.vmap(partial(likelihood_polynomial, degree=degree))(summary, mean, frame)
    return polynomial.astype(jnp.float32) @ feature_rows(points.white, 2 * degree)


def _log_prior_over_proposal(
    prior: Prior, mean: Float[Array, "label"], frame: Float[Array, "label label"], points: _Points
) -> Float[Array, "draw"]:
    """Log prior at mean + frame @ points of one star, minus the log density of the points."""
    if isinstance(prior, WhiteMixture):
        log_prior = prior.log_prob_along(mean, frame, feature_rows(points.white, 2))
    else:
        middle, axes = mean.astype(jnp.float32), frame.astype(jnp.float32)
        log_prior = prior.log_prob(middle[:, None] + axes @ points.white)
    return log_prior.astype(jnp.float32) - points.log_density


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
def student_points(n: int, n_label: int) -> Float[np.ndarray, "label n"]:
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


def random_turn(key: jax.Array, n_label: int) -> tuple[Array, Array]:
    """Draw a rotation from the uniform distribution, and a number between 0 and 1."""
    for_turn, for_shift = jax.random.split(key)
    normal = jax.random.normal(for_turn, (n_label, n_label))
    # Gram and Schmidt by Cholesky: R with a positive diagonal makes Q uniform
    root = jnp.linalg.cholesky(normal.T @ normal)
    turn = jax.lax.linalg.triangular_solve(root, normal, lower=True, transpose_a=True)
    return turn, jax.random.uniform(for_shift)


def likelihood_polynomial(
    summary: Summary, mean: Float[Array, "label"], frame: Float[Array, "label label"], degree: int
) -> Float[Array, "monomial"]:
    """Log likelihood as coefficients of all monomials in white coordinates, minus that at mean.

    `frame` leads from white to scaled labels. The features are polynomials of the white
    coordinates, too: as many points as there are features tell their coefficients.
    """
    at, inverse, places = _interpolation(mean.size, degree)
    v = feature_rows(mean[:, None] + frame @ jnp.asarray(at), degree)
    to_features = (v @ jnp.asarray(inverse)).at[0, 0].add(-1.0)
    form = to_features.T @ summary.a @ to_features
    form = form.at[0].add(-2 * to_features.T @ summary.b)
    products = jnp.append((-0.5 * form.ravel()).at[0].set(0.0), 0.0)
    return jnp.sum(products[places], axis=1)


@cache
def _interpolation(n_label: int, degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (label, feature), inverse of the features there, and how products of features add up.

    The last, (monomial, pair), says which of the feature^2 products make a monomial; feature^2
    itself fills the row up.
    """
    small, large = monomials(n_label, degree), monomials(n_label, 2 * degree)
    at = np.random.default_rng(0).normal(size=(n_label, len(small)))
    inverse = np.linalg.inv(np.prod(np.vstack([np.ones((1, len(small))), at])[small.T], axis=0))
    pairs: dict[tuple, list[int]] = {tuple(powers): [] for powers in large}
    for place, (one, two) in enumerate(product(small, small)):
        pairs[tuple(sorted([*one, *two]))].append(place)
    rows = zip_longest(*pairs.values(), fillvalue=len(small) ** 2)
    return at, inverse, np.array(list(rows)).T


def _resample(log_ratio: Float[Array, "n"], shift: Array, draws: int) -> tuple[Array, Array, Array]:
    """Choose proposals by their smoothed weights; give positions, k-hat and effective number."""
    log_weight, khat = smooth_weights(log_ratio)
    weight = jnp.exp(log_weight)
    chosen = systematic(weight, shift, draws)
    order = jnp.asarray(np.random.default_rng(1).permutation(draws))
    turned = jnp.roll(order, jnp.asarray(shift * 1e6, int) % draws)
    return chosen[turned], khat.astype(float), (1.0 / jnp.sum(weight**2)).astype(float)


def systematic(weight: Float[Array, "n"], shift: Array, draws: int) -> Int[Array, "draws"]:
    """Positions of evenly spread draws by weights that add up to 1, in rising order.

    One appears twice only when its weight asks for it. `shift`, 0 to 1, is the random number.
    """
    place = ((jnp.arange(draws, dtype=float) + shift) / draws).astype(weight.dtype)
    return jnp.clip(jnp.searchsorted(jnp.cumsum(weight), place), 0, weight.size - 1)
