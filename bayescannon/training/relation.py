"""What labels of some stars say of their factors, on pixels that all stars have trained.

Dredge-up and mass loss tie carbon and nitrogen to mass in another way on the giant branch than in
the clump: one quadratic cannot hold both. Pixels and factors are the same for both, so that direct
labels lose nothing; only z = Gamma w(l) + B v(l) + N(0, Sigma) is learned anew.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.special import gammaln, logsumexp, softmax

from bayescannon.training.e_step import LabelPrior, Moments, moments
from bayescannon.training.identify import change_variables, standardise
from bayescannon.training.layout import Layout, Parameters
from bayescannon.training.stars import (
    PRIOR_LN_SCALE,
    Data,
    carried_precision,
    infer_all,
    masked,
    moved_by,
    population_of,
    take,
)
from bayescannon.training.sums import Sums
from bayescannon.typing import Array, StarLabels

MOST_ROUNDS = 40
TAILS = (3.0, 5.0)
"""Degrees of freedom that are tried for the errors of a carried label, beside none: Gaussian."""
OWN, OWN_WEIGHT = np.polynomial.hermite_e.hermegauss(15)
"""Points that stand for a spectrum's own Gaussian error beside a catalogue error with tails."""
TOLERANCE = 0.003
SCALES = np.exp(np.linspace(np.log(0.2), np.log(3.0), 136))
OPEN = np.concatenate([[0.0], np.exp(np.linspace(np.log(0.02), np.log(8.0), 100))])
COARSE = 4
"""With tails, every so many-th of both: sums over `OWN` take that longer."""


class Relation(NamedTuple):
    """In coordinates u' in which a group's factors are Gamma w + N(0, 1); u = back @ u'."""

    back: Float[Array, "latent latent"]
    gamma: Float[Array, "factor through"]
    error_scale: Float[np.ndarray, "label"]
    carried_variance: Float[np.ndarray, "label"]
    """Of what the relation leaves of the catalogue's carried labels, in units of the leverage of
    all stars; 0 for direct labels."""
    labels: StarLabels
    trust: StarLabels
    """Of all stars: by what the variance of a catalogue value's error is divided, given how far
    off it is; 1 where errors are Gaussian."""
    degrees: Float[np.ndarray, "label"]
    """Of freedom of the errors; inf where they are Gaussian."""


class ErrorLaw(NamedTuple):
    """Law of a catalogue value's error: f times what is stated, Gaussian or Student's t."""

    scale: float
    degrees: float
    trust: Float[np.ndarray, "star"]


def fit_relation(
    layout: Layout,
    p: Parameters,
    data: Data,
    sums: Sums,
    labels: StarLabels,
    scale2: Float[np.ndarray, "label"],
    use: Bool[np.ndarray, "real_star"],
) -> Relation:
    """Fit the relation of a group of stars.

    Parameters
    ----------
    layout, p, data, sums
        Of all stars, trained.
    labels, scale2
        Labels of all stars, padding included, and squared error scales, in the last round.
    use : (real_star,)
        Which stars are of the group; of the others here some are padding.

    Returns
    -------
    Relation
    """
    rows = np.flatnonzero(use)
    part, sums, here = take(data, sums, labels, rows)
    back, scale2 = jnp.eye(layout.n_latent), np.array(scale2)
    stated, trust = part.precision, np.ones(part.precision.shape)
    degrees = np.full(layout.n_label, np.inf)
    prior = LabelPrior.population(len(layout.direct))
    for _ in range(MOST_ROUNDS):
        part = part._replace(precision=stated * trust)
        precision = jnp.asarray(carried_precision(layout, part, scale2))
        points = infer_all(layout, p, part, sums.in_terms_of(back), here, precision, prior)
        m = moments(layout, points, jnp.zeros_like(here))
        for i in layout.carried:
            known, law = carried_error_law(i, m, part, stated, scale2[i])
            scale2[i], degrees[i], trust[known, i] = law.scale**2, law.degrees, law.trust
        change, gamma = standardise(layout, m, part.use)
        m = masked(change_variables(m, change), part.use)
        moved = moved_by(m, here, part.use)
        p = p._replace(gamma=gamma, population=population_of(layout, m, len(rows)))
        here, back = m.labels, back @ jnp.linalg.inv(change)
        if moved.max() < TOLERANCE:
            break
    weight = np.where(np.asarray(part.precision) > 0, trust, 0.0)
    missed = part.observed - here
    spread = jnp.sum(weight * missed**2, axis=0) / jnp.maximum(jnp.sum(weight, axis=0), 1.0)
    spread += jnp.einsum("nii->i", m.covariance) / len(rows)
    # the leverage is that of all stars; the relation has only these
    spread *= float(jnp.sum(data.use)) / len(rows)
    labels = np.array(labels)[: int(jnp.sum(data.use))]
    trusted = np.ones(labels.shape)
    labels[rows], trusted[rows] = here[: len(rows)], trust[: len(rows)]
    carried = np.isin(np.arange(layout.n_label), layout.carried)
    spread = np.where(carried, np.asarray(spread), 0.0)
    return Relation(back, gamma, np.sqrt(scale2), spread, labels, trusted, degrees)


def carried_error_law(
    label: int, m: Moments, data: Data, stated: Array, scale2: float
) -> tuple[np.ndarray, ErrorLaw]:
    """Which stars have a catalogue value of a carried label, and the law of its errors.

    A catalogue value misses what the spectrum alone says by N(0, a s^2) and the error, where s
    is the spectrum's own error in this round and a is free: what is open must not be taken for
    either.

    Parameters
    ----------
    label, m
    data : Data
        With the precision that this round took.
    stated : (star, label)
        Precision as the catalogue has it.
    scale2 : float
        Squared f that this round took.
    """
    known = np.flatnonzero(np.asarray(data.precision[:, label]) > 0)
    taken = scale2 / np.asarray(data.precision)[known, label]
    both = np.asarray(m.covariance)[known, label, label]
    left = np.asarray(data.observed - m.labels)[known, label]
    # the posterior knew the catalogue value: taken out again
    share = np.clip(1.0 - both / taken, 1e-3, 1.0)
    variance = 1.0 / np.asarray(stated)[known, label]
    return known, error_law((left / share) ** 2, both / share, variance)


def error_law(missed2: np.ndarray, own: np.ndarray, stated: np.ndarray) -> ErrorLaw:
    """Gaussian or Student errors, whichever have the largest evidence; f is its posterior mean.

    Parameters
    ----------
    missed2, own, stated : (star,)
        Squared misses; variance of the spectrum's own error and of the stated one.
    """
    scale, best = _error_scale(missed2, own, stated, np.inf)
    law = ErrorLaw(scale, np.inf, np.ones(len(missed2)))
    for degrees in TAILS:
        scale, evidence = _error_scale(missed2, own, stated, degrees)
        if evidence > best:
            offset2, log_weight = _spread(missed2, own, scale**2 * stated, degrees)
            # of a Student error, the precision expected where it is so large
            precision = (degrees + 1) / (degrees + offset2)
            trust = np.sum(softmax(log_weight, axis=0) * precision, axis=0)
            law, best = ErrorLaw(scale, degrees, trust), evidence
    return law


def _error_scale(missed2, own, stated, degrees: float) -> tuple[float, float]:
    """Posterior mean of f, and ln evidence; f and a are on grids."""
    step = COARSE if np.isfinite(degrees) else 1
    scales, opened = SCALES[::step], OPEN[::step]
    log_posterior = np.empty((len(scales), len(opened)))
    for i, f in enumerate(scales):
        variance, opening = f**2 * stated, opened[:, None] * own
        if np.isfinite(degrees):
            log_density = logsumexp(_spread(missed2, opening, variance, degrees)[1], axis=0)
        else:
            total = opening + variance
            log_density = -0.5 * (np.log(total) + missed2 / total)
        log_posterior[i] = log_density.sum(axis=1)
    log_posterior -= 0.5 * (np.log(scales) / PRIOR_LN_SCALE)[:, None] ** 2
    best = log_posterior.max()
    weight = np.exp(log_posterior - best) * np.gradient(opened)
    mean = np.sum(weight * np.log(scales)[:, None]) / np.sum(weight)
    return float(np.exp(mean)), float(best + np.log(np.sum(weight) * step))


def _spread(missed2, own, variance, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Student errors that are left when the spectrum's own is at each of `OWN`, (point, ...).

    Gives their squares in units of `variance`, and ln(weight x density) but for (2 pi)^(-1/2).
    """
    point = OWN.reshape(-1, *[1] * np.ndim(own))
    offset2 = (np.sqrt(missed2) - point * np.sqrt(own)) ** 2 / variance
    log_density = -0.5 * (degrees + 1) * np.log1p(offset2 / degrees) - 0.5 * np.log(variance)
    norm = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - 0.5 * np.log(degrees / 2)
    weight = (OWN_WEIGHT / OWN_WEIGHT.sum()).reshape(point.shape)
    return offset2, log_density + norm + np.log(weight)
