"""What is left to correct: a width for each label, and a map of the PIT. Both off by default.

Fit them on stars disjoint from those that judge: on the same stars any forecast looks calibrated.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

Stars = Float[np.ndarray, "star"]
Design = Float[np.ndarray, "star term"]

USUAL_SNR = 100.0
RIDGE = np.array([1.0, 100.0, 100.0, 100.0])
"""Precision of a Gaussian prior on the coefficients of ln(width): a factor of e for the level, of
1.1 for the terms that change it from star to star, so that few stars do not bend it."""
ROUNDS = 50
KNOTS = 21


class Inflation(NamedTuple):
    """ln(factor on the sd) = design @ coefficients."""

    coefficients: Float[np.ndarray, "term"]

    def factor(self, design: Design) -> Stars:
        """By how much each star's posterior is widened."""
        return np.exp(design @ self.coefficients)


def inflation_design(snr: Stars, p_rc: Stars) -> Design:
    """Constant, linear and quadratic in ln S/N, linear in the probability of the clump."""
    x = np.log(snr / USUAL_SNR)
    return np.stack([np.ones_like(x), x, x**2, p_rc - 0.5], axis=1)


def normal_scores(pit: Float[np.ndarray, "*star"]) -> Float[np.ndarray, "*star"]:
    """Errors in sds by their probability, not by their size: what z is for a Gaussian.

    The draws do not reach far into the tails: fit, inflate, and do it again.
    """
    return -ndtri(pit)


def fit_inflation(off: Stars, sd: Stars, design: Design, error: Stars | float = 0.0) -> Inflation:
    """Fit off ~ N(0, (factor sd)^2 + error^2) by Fisher scoring.

    Parameters
    ----------
    off, sd : (star,)
        Posterior mean minus the value judged against, and posterior sd; a NaN leaves a star out.
    design : (star, term)
        See `inflation_design`.
    error : (star,), optional
        Random error of the value judged against: it is not inflated.
    """
    error, ridge = np.broadcast_to(error, off.shape), RIDGE[: design.shape[1]]
    good = np.isfinite(off) & np.isfinite(sd) & np.isfinite(design).all(axis=1)
    off, sd, x, error = off[good], sd[good], design[good], error[good]
    coefficients = np.zeros(x.shape[1])
    for _ in range(ROUNDS):
        inner = (np.exp(x @ coefficients) * sd) ** 2
        whole = inner + error**2
        share = inner / whole
        gradient = x.T @ (share * (off**2 / whole - 1)) - ridge * coefficients
        fisher = (x * (2 * share**2)[:, None]).T @ x + np.diag(ridge)
        step = np.clip(np.linalg.solve(fisher, gradient), -0.5, 0.5)
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-8:
            break
    return Inflation(coefficients)


def inflate(
    draws: Float[np.ndarray, "draw *star"], factor: Float[np.ndarray, "*star"]
) -> Float[np.ndarray, "draw *star"]:
    """Widen every star's draws about their mean."""
    mean = draws.mean(axis=0)
    return mean + factor * (draws - mean)


def fit_pit_map(pit: Stars, knots: int = KNOTS) -> Float[np.ndarray, "knot"]:
    """Quantiles of the PIT at equal steps of probability, ends held at 0 and 1."""
    inner = np.quantile(pit[np.isfinite(pit)], np.linspace(0, 1, knots)[1:-1])
    return np.concatenate([[0.0], inner, [1.0]])


def recalibrate_pit(pit: Stars, knots: Float[np.ndarray, "knot"]) -> Stars:
    """Map PIT values so that those the knots were fitted to become uniform."""
    return np.interp(pit, knots, np.linspace(0, 1, len(knots)))
