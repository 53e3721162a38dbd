"""Do intervals hold what they say? Coverage, overall and in bins of what is observed."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Stars = Float[np.ndarray, "star"]

LEVELS = np.array([0.5, 0.68, 0.9, 0.95])
"""Probabilities of the central intervals that are judged."""


def coverage(pit: Stars, nominal: Float[np.ndarray, "level"]) -> Float[np.ndarray, "level"]:
    """Share of stars whose central interval of probability `nominal` (level,) holds the truth.

    `pit` is (star,) without NaN; gives (level,).
    """
    return (np.abs(2 * pit[:, None] - 1) <= nominal).mean(axis=0)


def binomial_error[Share: (float, np.ndarray)](probability: Share, n: int) -> Share:
    """Standard deviation of a share of n stars that is `probability` on average."""
    return (probability * (1 - probability) / max(n, 1)) ** 0.5


def equal_bins(values: Stars, bins: int) -> Int[np.ndarray, "star"]:
    """Number the bins, each with as many stars, that values (star,) fall into; gives (star,)."""
    return np.argsort(np.argsort(values, kind="stable")) * bins // max(len(values), 1)


class Bins(NamedTuple):
    """Coverage in bins of something observed."""

    middle: Float[np.ndarray, "bin"]
    """Median of the observed quantity."""
    count: np.ndarray
    """Stars in each bin."""
    coverage: Float[np.ndarray, "bin level"]


def binned_coverage(
    pit: Stars,
    observed: Stars,
    bins: int,
    nominal: Float[np.ndarray, "level"] = LEVELS,
) -> Bins:
    """Coverage in bins of an observed quantity, each with as many stars.

    Never bin on the true value of what is judged: even the exact posterior fails that. Stars with
    a NaN are left out.

    Parameters
    ----------
    pit, observed : (star,)
    bins : int
        How many; a quantity with fewer different values gets one bin for each of them.
    nominal : (level,)
        Probabilities of the central intervals.
    """
    good = np.isfinite(pit) & np.isfinite(observed)
    pit, observed = pit[good], observed[good]
    values, index = np.unique(observed, return_inverse=True)
    if len(values) > bins:
        index = equal_bins(observed, bins)
    groups = [np.flatnonzero(index == i) for i in range(min(bins, len(values)))]
    return Bins(
        np.array([np.median(observed[g]) for g in groups]),
        np.array([g.size for g in groups], int),
        np.array([coverage(pit[g], nominal) for g in groups]).reshape(-1, len(nominal)),
    )


def convolve(
    draws: Float[np.ndarray, "draw *star"],
    error: Float[np.ndarray, "*star"] | Float[np.ndarray, "#draw *star"],
    seed: int = 0,
) -> Float[np.ndarray, "draw *star"]:
    """Add the random error of the value that a posterior is judged against to every draw.

    A calibrated posterior of the true mass does not hold 68 % of catalogue masses: the catalogue
    errs, too. Convolved with the catalogue's error it does. `error` may differ from draw to draw:
    see `mixed_errors`.
    """
    noise = np.random.default_rng(seed).standard_normal(draws.shape, np.float32)
    return draws + error * noise


def mixed_errors(
    error: Float[np.ndarray, "*star"],
    degrees: Float[np.ndarray, "*star"],
    n_draw: int,
) -> Float[np.ndarray, "draw *star"]:
    """Sds of Gaussians, one a draw, that together are Student errors of sd `error`.

    Student's t is a Gaussian whose precision has a gamma law. With infinitely many degrees of
    freedom there is one Gaussian, and so one row.
    """
    tailed = np.isfinite(degrees)
    if not tailed.any():
        return error[None]
    k = np.where(tailed, degrees, 3.0)
    rng = np.random.default_rng([0, 1])  # another stream than that of `convolve`
    precision = rng.chisquare(k, (n_draw, *k.shape)) / k
    return np.where(tailed, error * np.sqrt((1.0 - 2.0 / k) / precision), error)


def z_width(off: Stars, sd: Stars) -> float:
    """Standard deviation of error / sd: 1 for calibrated Gaussian errors."""
    return float(np.nanstd(off / sd))


def beyond(off: Stars, sd: Stars, limit: float = 5.0) -> float:
    """Share of stars whose error is larger than `limit` standard deviations."""
    z = np.abs(off / sd)
    return float(np.mean(z[np.isfinite(z)] > limit))
