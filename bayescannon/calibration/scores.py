"""Proper scores: what a forecast is worth, width and calibration together. Lower is better."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, ndtr

Stars = Float[np.ndarray, "star"]
STARS_AT_ONCE = 2048


def crps(draws: Float[np.ndarray, "draw star"], truth: Stars) -> Stars:
    """Continuous ranked probability score: E|X - truth| - E|X - X'| / 2, from draws."""
    n = len(draws)
    rank = 2 * np.arange(1, n + 1) - n - 1
    half_spread = rank @ np.sort(draws, axis=0) / (n * (n - 1))
    return np.abs(draws - truth).mean(axis=0) - half_spread


def crps_normal(mean: Stars, sd: Stars, truth: Stars) -> Stars:
    """CRPS of a Gaussian forecast, in closed form."""
    z = (truth - mean) / sd
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    score = z * (2 * ndtr(z) - 1) + 2 * density - np.pi**-0.5
    return sd * score


def log_score(
    draws: Float[np.ndarray, "draw star"],
    truth: Stars,
    error: Stars | Float[np.ndarray, "#draw star"] | float = 0.0,
) -> Stars:
    """Minus the log density of the truth under a forecast known by its draws.

    The density is a Gaussian at every draw. Its width is Silverman's, and draws are pulled to
    their mean so that the variance stays (West 1993, J. R. Stat. Soc. B 55, 409); the random
    error of `truth` widens it further.
    """
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    share = 0.9 * len(draws) ** -0.2
    width = np.atleast_2d(np.hypot(share * sd, error))
    middle = mean + np.sqrt(1 - share**2) * (draws - mean)
    out = np.empty(len(truth))
    for start in range(0, len(truth), STARS_AT_ONCE):  # memory: draws x stars
        s = slice(start, start + STARS_AT_ONCE)
        z, w = (truth[s] - middle[:, s]) / width[:, s], np.log(width[:, s])
        out[s] = -logsumexp(-0.5 * z**2 - w, axis=0) + np.log(len(draws))
    return out + 0.5 * np.log(2 * np.pi)


def log_score_normal(mean: Stars, sd: Stars, truth: Stars) -> Stars:
    """Minus the log density of the truth under a Gaussian forecast."""
    return 0.5 * ((truth - mean) / sd) ** 2 + np.log(sd) + 0.5 * np.log(2 * np.pi)


class Gain(NamedTuple):
    """By how much a score beats another over the same stars."""

    mean: float
    error: float
    """Standard error of the mean."""

    @property
    def in_errors(self) -> float:
        """Gain in standard errors."""
        return self.mean / self.error


def compare(ours: Stars, theirs: Stars) -> Gain:
    """Mean of theirs - ours, star by star: positive where ours is better (lower)."""
    gain = theirs - ours
    gain = gain[np.isfinite(gain)]
    return Gain(float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain))))
