"""P(rc): how likely a giant burns helium in its core, given its labels.

Learned from the 1502 Kepler giants whose state is known from asteroseismology. Mass is left out on
purpose: the age step compares the states' masses itself, and would use the mass twice.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

import bayescannon.precision  # noqa: F401
from bayescannon.data import apokasc
from bayescannon.states import StateClassifier, fit_states, p_clump
from bayescannon.typing import StarLabels, Stars

STATE_LABELS = ("teff", "logg", "feh", "afe")
RIDGE = 0.1
"""Of the logistic regression; 0.03 to 0.3 differ by 0.01 in the cross-validated log score."""


@cache
def default_classifier() -> StateClassifier:
    """Fit the classifier to the catalogue that ships (once, a tenth of a second)."""
    return fit_states(*known_states(), RIDGE)


def known_states() -> tuple[StarLabels, Bool[np.ndarray, "star"]]:
    """Labels (star, 4) of the giants of known state, and whether each is in the clump."""
    table = apokasc()
    state = np.ma.filled(np.ma.asarray(table["evstate"]), "").astype(str)
    table, state = table[state != ""], state[state != ""]
    labels = np.column_stack([np.asarray(table[name], float) for name in STATE_LABELS])
    return labels, state == "RC"


class Reliability(NamedTuple):
    """Whether predicted probabilities of held-out stars are calibrated."""

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
        classifier = fit_states(labels[~held_out], rc[~held_out], RIDGE)
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
