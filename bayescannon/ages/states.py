"""P(rc): how likely a giant burns helium in its core, given its labels.

Learned from the 1502 Kepler giants whose state is known from asteroseismology. Mass is left out on
purpose: the age step compares the states' masses itself, and would use the mass twice.
"""

from functools import cache

import numpy as np
from jaxtyping import Bool

from bayescannon.data import apokasc
from bayescannon.precision import require_float64
from bayescannon.states import StateClassifier, fit_states, p_clump
from bayescannon.typing import StarLabels

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


def clump_probability(labels: np.ndarray) -> np.ndarray:
    """P(rc) at labels (star, label) that begin with `STATE_LABELS`, (star,); NaN where one is."""
    require_float64()
    known = np.isfinite(labels).all(axis=1)
    p = np.asarray(p_clump(default_classifier(), np.nan_to_num(labels[:, : len(STATE_LABELS)])))
    return np.where(known, p, np.nan)
