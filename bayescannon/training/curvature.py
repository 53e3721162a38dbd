"""Where labels bend more than the model's degree allows: a correction of the inferred labels.

Training puts inferred labels on the catalogue's scale with the model's own features. Spectra that
bend more leave a trend in (catalogue - inferred) of the next degree. It is regressed on the
monomials of that degree, less what the features explain, under a Gaussian prior whose variance
maximises the evidence: zero unless the data want it.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.labels import Curvature, features, monomials
from bayescannon.training.budget import ErrorBudget, Residuals
from bayescannon.typing import StarLabels

STARS_PER_TERM = 20
"""Fewer stars than that say more of the noise in the features' coefficients than of curvature."""
VARIANCES = np.geomspace(1e-6, 10.0, 71)
"""Of the coefficients, in scaled labels, for terms of unit rms."""


def find_curvature(
    residuals: Residuals, budget: ErrorBudget, variance: StarLabels, degree: int
) -> Curvature | None:
    """Look for curvature in stars that training has not seen, or was left out of.

    Parameters
    ----------
    residuals : Residuals
    budget : ErrorBudget
        Weighs the stars: those far out in its tails count less.
    variance : (star, label)
        Stated variances of the catalogue's labels.
    degree : int
        Of the model's features.

    Returns
    -------
    Curvature or None
    """
    spread = np.einsum("nii->ni", budget.total(residuals, variance))
    if np.isfinite(budget.degrees):
        away = np.nansum(residuals.missed**2 / spread, axis=1)
        more = (budget.degrees + away) / (budget.degrees + spread.shape[1])
        spread = spread * np.maximum(more, 1.0)[:, None]
    return fit_curvature(residuals.shown, residuals.missed, spread, degree)


def fit_curvature(
    labels: StarLabels,
    missed: StarLabels,
    variance: StarLabels,
    degree: int,
) -> Curvature | None:
    """Regress what a catalogue has more than spectra show on terms of the next degree.

    Parameters
    ----------
    labels : (star, label)
        Scaled labels as spectra show them.
    missed : (star, label)
        Catalogue less that; NaN where not known.
    variance : (star, label)
        Of `missed`: errors of catalogue, model and spectrum together.
    degree : int
        Of the model's features.

    Returns
    -------
    Curvature or None
        None where no label needs it, or stars are few.
    """
    n_label = labels.shape[1]
    factors = monomials(n_label, degree + 1) - 1
    factors = factors[(factors >= 0).all(axis=1)]
    if len(labels) < STARS_PER_TERM * len(factors):
        return None
    low, high = labels.min(axis=0), labels.max(axis=0)
    v, raw = np.asarray(features(jnp.asarray(labels), degree)), np.prod(labels[:, factors], axis=-1)
    projection = np.linalg.lstsq(v, raw, rcond=None)[0]
    terms = raw - v @ projection
    size = np.sqrt(np.mean(terms**2, axis=0)) + 1e-12
    mean, gain = np.zeros((len(factors), n_label)), np.zeros(n_label)
    covariance = np.zeros((n_label, len(factors), len(factors)))
    for i in range(n_label):
        known = np.isfinite(missed[:, i])
        weight = 1.0 / np.sqrt(variance[known, i])
        found = _by_evidence(weight[:, None] * terms[known] / size, weight * missed[known, i])
        if found is not None:
            mean[:, i], covariance[i] = found[0] / size, found[1] / np.outer(size, size)
            gain[i] = found[2]
    if not gain.any():
        return None
    return Curvature(factors, projection, low, high, mean, covariance, gain)


def _by_evidence(
    terms: Float[np.ndarray, "star term"], missed: Float[np.ndarray, "star"]
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Mean and covariance of coefficients ~ N(0, a^2), and the gain in ln evidence over a = 0."""
    left, size, right = np.linalg.svd(terms, full_matrices=False)
    along, size2 = left.T @ missed, size**2
    shown = VARIANCES[:, None] * size2
    gain = 0.5 * np.sum(along**2 * shown / (1.0 + shown) - np.log1p(shown), axis=1)
    best = int(np.argmax(gain))
    if gain[best] <= 0.5 * np.log(max(len(missed), 2)):
        return None
    spread = 1.0 / (size2 + 1.0 / VARIANCES[best])
    return right.T @ (spread * size * along), (right.T * spread) @ right, float(gain[best])
