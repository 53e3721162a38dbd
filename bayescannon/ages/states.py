"""P(rc): how likely a giant burns helium in its core, given its labels.

Learned from the 1502 Kepler giants whose state is known from asteroseismology. Mass is left out on
purpose: the age step compares the states' masses itself, and would use the mass twice.
"""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

import bayescannon.precision  # noqa: F401
from bayescannon.data import apokasc
from bayescannon.labels import features, fit_logistic
from bayescannon.typing import Array, StarLabels, Stars

STATE_LABELS = ("teff", "logg", "feh", "afe")
RIDGE = 0.1
"""Of the logistic regression; 0.03 to 0.3 differ by 0.01 in the cross-validated log score."""


class StateClassifier(NamedTuple):
    """Logistic regression on the quadratic features of teff, logg, feh, afe."""

    pivot: Float[Array, "label"]
    scale: Float[Array, "label"]
    log_odds: Float[Array, "feature"]
    whiten: Float[Array, "label label"]
    """Scaled labels times this are uncorrelated with unit variance in the training set."""
    reach: Float[Array, ""]
    """Largest Mahalanobis distance of a training star."""
    base_rate: Float[Array, ""]
    """Share of clump stars in the training set, which counts beyond `reach`."""


def fit_states(labels: StarLabels, rc: Bool[np.ndarray, "star"]) -> StateClassifier:
    """Fit the classifier.

    Parameters
    ----------
    labels : (star, 4)
        `STATE_LABELS`, in label units.
    rc : (star,)
        Whether the star is in the red clump.
    """
    labels = np.asarray(labels)
    pivot, scale = labels.mean(axis=0), labels.std(axis=0)
    scaled = (labels - pivot) / scale
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(scaled.T))).T
    reach = np.linalg.norm(scaled @ whiten, axis=1).max()
    log_odds = fit_logistic(features(jnp.asarray(scaled)), rc, RIDGE)
    parts = (pivot, scale, log_odds, whiten, reach, rc.mean())
    return StateClassifier(*(jnp.asarray(part) for part in parts))


@jax.jit
def p_clump(classifier: StateClassifier, labels: StarLabels) -> Stars:
    """P(rc) at given labels (star, 4); the base rate where no training star is as far out."""
    scaled = (labels - classifier.pivot[None]) / classifier.scale[None]
    p = jax.nn.sigmoid(features(scaled) @ classifier.log_odds)
    distance = jnp.linalg.norm(scaled @ classifier.whiten, axis=1)
    return jnp.where(distance <= classifier.reach, p, classifier.base_rate)


@cache
def default_classifier() -> StateClassifier:
    """Fit the classifier to the catalogue that ships (once, a tenth of a second)."""
    return fit_states(*known_states())


def known_states() -> tuple[StarLabels, Bool[np.ndarray, "star"]]:
    """Labels (star, 4) of the giants of known state, and whether each is in the clump."""
    table = apokasc()
    state = np.ma.filled(np.ma.asarray(table["evstate"]), "").astype(str)
    table, state = table[state != ""], state[state != ""]
    labels = np.column_stack([np.asarray(table[name], float) for name in STATE_LABELS])
    return labels, state == "RC"


class Reliability(NamedTuple):
    """How calibrated predicted probabilities of held-out stars are."""

    p: Stars
    """Cross-validated P(rc)."""
    rc: Bool[np.ndarray, "star"]
    log_score: float
    """Mean of -ln of the probability given to what came true; ln 2 for a coin."""
    brier: float
    """Mean squared difference between probability and truth; 1/4 for a coin."""
    accuracy: float


def measure_reliability(folds: int = 10, seed: int = 0) -> Reliability:
    """Cross-validate the classifier on the stars of known state.

    Parameters
    ----------
    folds, seed : int
        Number of folds, and the seed that deals the stars out.
    """
    labels, rc = known_states()
    fold = np.random.default_rng(seed).permutation(len(rc)) % folds
    p = np.empty(len(rc))
    for i in range(folds):
        held_out = fold == i
        classifier = fit_states(labels[~held_out], rc[~held_out])
        p[held_out] = np.asarray(p_clump(classifier, labels[held_out]))
    truth_given = np.clip(np.where(rc, p, 1 - p), 1e-12, 1.0)
    return Reliability(
        p,
        rc,
        float(-np.log(truth_given).mean()),
        float(((p - rc) ** 2).mean()),
        float(((p > 0.5) == rc).mean()),
    )


def clump_probability(labels: np.ndarray) -> np.ndarray:
    """P(rc) at labels (star, label) that begin with `STATE_LABELS`, (star,); NaN where one is."""
    known = np.isfinite(labels).all(axis=1)
    p = np.asarray(p_clump(default_classifier(), np.nan_to_num(labels[:, : len(STATE_LABELS)])))
    return np.where(known, p, np.nan)
