"""What repeated observations of the same stars say of the stated errors; arrays only.

What differs between visits of one star is noise: neither labels nor a model enter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

VisitPixels = Float[np.ndarray, "visit pixel"]

ROUNDS, CONVERGED = 100, 1e-6
JACKKNIFE = 10
"""Groups of stars, or of visits where stars are fewer, that are left out in turn."""
LAGS = (1, 2, 5, 10, 20, 50, 100)
NORMAL_MAD = 1.4826


class Visits(NamedTuple):
    """Which rows are visits of the same star; rows of a star follow each other."""

    first: Int[np.ndarray, "star"]
    count: Int[np.ndarray, "star"]

    @classmethod
    def of(cls, star: Int[np.ndarray, "visit"]) -> Visits:
        """From the number of each row's star, in order."""
        _, first, count = np.unique(star, return_index=True, return_counts=True)
        return cls(first, count)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum over the visits of each star, (visit, ...) -> (visit, ...)."""
        return np.repeat(np.add.reduceat(values, self.first, axis=0), self.count, axis=0)

    def residuals(self, values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values less the star's weighted mean, and each one's share in that mean."""
        whole = self.total(weight)
        share = np.divide(weight, whole, out=np.ones_like(weight), where=whole > 0)
        return values - self.total(share * np.where(weight > 0, values, 0.0)), share


class PhotonLaw(NamedTuple):
    """Errors of the flux are sqrt((scale e)^2 + floor^2), e the stated ones; with their sds."""

    scale: float
    floor: float
    scale_error: float = np.nan
    floor_error: float = np.nan

    def variance(self, ivar: VisitPixels) -> VisitPixels:
        """Variance of the flux; inf where nothing was measured."""
        stated = np.divide(1.0, ivar, out=np.full(ivar.shape, np.inf), where=ivar > 0)
        return self.scale**2 * stated + self.floor**2


class Scatter(NamedTuple):
    """Scatter between visits over the stated error."""

    ratio: np.ndarray
    """Root mean square; 1 where errors are as stated."""
    error: np.ndarray
    robust: np.ndarray
    """From the median of |deviation / error|: outliers do not count."""


def fit_photon_law(flux: VisitPixels, ivar: VisitPixels, visits: Visits) -> PhotonLaw:
    """Learn the law of photon errors from residuals about the stars' mean spectra.

    Restricted maximum likelihood, by scoring, of Gaussian errors that are independent from pixel
    to pixel. Where all stated errors are alike the two numbers cannot be told apart: the scale
    then stays as near 1 as the residuals allow.

    Parameters
    ----------
    flux, ivar : (visit, pixel)
        ivar 0 = not measured.
    visits : Visits

    Returns
    -------
    PhotonLaw
        Its errors are from a jackknife over stars (visits, where stars are few), which sees that
        pixels are correlated.
    """
    scale, floor = _scored(flux, ivar, visits)
    star = np.repeat(np.arange(visits.first.size), visits.count)
    group = star if visits.first.size >= JACKKNIFE else np.arange(len(flux))
    left_out = []
    groups = min(JACKKNIFE, len(np.unique(group)))
    for k in range(groups):
        rows = group % groups != k
        if np.bincount(star[rows], minlength=1).max(initial=0) > 1:
            left_out.append(_scored(flux[rows], ivar[rows], Visits.of(star[rows])))
    errors = np.sqrt(max(len(left_out) - 1, 0)) * np.std(left_out, axis=0)
    return PhotonLaw(scale, floor, *map(float, errors))


def _scored(flux: VisitPixels, ivar: VisitPixels, visits: Visits) -> tuple[float, float]:
    good = ivar > 0
    stated = np.divide(1.0, ivar, out=np.zeros_like(ivar), where=good)
    law = np.array([1.0, 0.0])  # of the variance: scale^2, floor^2
    for _ in range(ROUNDS):
        variance = law[0] * stated + law[1]
        weight = np.divide(1.0, variance, out=np.zeros_like(ivar), where=good)
        off, share = visits.residuals(flux, weight)
        use = good & (share < 1 - 1e-9)
        square, w = off[use] ** 2 / (1 - share[use]), weight[use] ** 2 * (1 - share[use])
        x = np.stack([stated[use], np.ones(square.size)])
        normal, right = (x * w) @ x.T, (x * w) @ square
        normal[0, 0] += 1.0  # as if the scale had been seen to be 1 +- 1
        right[0] += 1.0
        new = np.linalg.solve(normal, right)
        if new[1] < 0:
            new = np.array([right[0] / normal[0, 0], 0.0])
        elif new[0] <= 0:
            new = np.array([1e-6, right[1] / normal[1, 1]])
        done = np.abs(new - law).max() < CONVERGED * np.abs(new).max()
        law = new
        if done:
            break
    return float(np.sqrt(law[0])), float(np.sqrt(law[1]))


def scatter_over_error(
    values: Float[np.ndarray, "visit column"],
    sd: Float[np.ndarray, "visit column"],
    visits: Visits,
) -> Scatter:
    """Compare the scatter of repeated measurements with their errors, column by column.

    Parameters
    ----------
    values, sd : (visit, column)
        Labels or pixels; an sd of inf or NaN leaves a value out.
    visits : Visits

    Returns
    -------
    Scatter
        Each (column,); NaN where nothing was repeated.
    """
    good = np.isfinite(values) & np.isfinite(sd) & (sd > 0)
    weight = np.divide(1.0, sd**2, out=np.zeros_like(sd), where=good)
    off, share = visits.residuals(np.where(good, values, 0.0), weight)
    use = good & (share < 1 - 1e-9)
    z = np.divide(off, sd, out=np.zeros_like(sd), where=use)
    free = np.sum(np.where(use, 1 - share, 0.0), axis=0)
    some = free > 0.5
    free = np.where(some, free, np.nan)
    ratio = np.sqrt(np.sum(z**2, axis=0) / free)
    scaled = np.abs(z) / np.sqrt(np.where(use, 1 - share, np.nan))
    robust = np.full(len(some), np.nan)
    robust[some] = NORMAL_MAD * np.nanmedian(scaled[:, some], axis=0)
    return Scatter(ratio, ratio / np.sqrt(2 * free), robust)


def autocorrelation(
    flux: VisitPixels, sd: VisitPixels, visits: Visits, lags: tuple[int, ...] = LAGS
) -> dict[int, float]:
    """Correlation of the noise of pixels so many pixels apart; 0 where noise is independent."""
    good = np.isfinite(sd)
    weight = np.divide(1.0, sd**2, out=np.zeros_like(sd), where=good)
    off, share = visits.residuals(flux, weight)
    use = good & (share < 1 - 1e-9)
    z = np.where(use, off / np.where(use, sd * np.sqrt(1 - np.minimum(share, 1 - 1e-9)), 1.0), 0.0)
    mean_square = np.sum(z**2) / max(use.sum(), 1)
    found = {}
    for lag in lags:
        if lag < flux.shape[1]:
            pairs = (use[:, lag:] & use[:, :-lag]).sum()
            product = np.sum(z[:, lag:] * z[:, :-lag]) / max(pairs, 1)
            found[lag] = float(product / mean_square)
    return found
