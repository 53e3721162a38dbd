"""Divide by a low-order Chebyshev polynomial through "true" continuum pixels, per detector."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev

from bayescannon.precision import require_float64
from bayescannon.typing import Array, Factors, StarPixels

FAR_BELOW_ZERO = -5.0
"""A continuum pixel this many sigma below zero is an artefact, not a star's continuum."""
SECTIONS = 6
"""Parts of a detector that each give continuum pixels: those at one end hold no polynomial."""


class ContinuumFit(NamedTuple):
    """Chebyshev coefficients of each star's continuum and their covariance.

    coefficients are (star, term), in the unit of flux, term by term for one detector after the
    other; NaN on a detector with too few continuum pixels. covariance is (star, term, term): what
    the quoted errors of the continuum pixels make of it.
    """

    coefficients: Float[Array, "star term"]
    covariance: Float[Array, "star term term"]


def design(chip: np.ndarray, degree: int = 2) -> np.ndarray:
    """Chebyshev polynomials along each detector.

    Parameters
    ----------
    chip : ndarray of int (pixel,)
        Detector of each pixel.
    degree : int
        Degree of the polynomial.

    Returns
    -------
    ndarray (pixel, detector * (degree + 1))
        Zero outside the detector to which a column belongs.
    """
    columns = []
    for detector in np.unique(chip):
        here = chip == detector
        x = np.zeros(chip.size)
        x[here] = np.linspace(-1, 1, here.sum())
        columns.append(np.where(here[:, None], chebyshev.chebvander(x, degree), 0.0))
    return np.concatenate(columns, axis=1)


def solve_continuum(
    flux: StarPixels, ivar: StarPixels, chip: np.ndarray, continuum: np.ndarray, degree: int = 2
) -> ContinuumFit:
    """Fit the continuum of each star by weighted least squares (Ness et al. 2015, section 5.2).

    The weight of a pixel is r / (1 + r), r its ivar over the median ivar of the star's continuum
    pixels on that detector: bad pixels count less, none counts for much more than another, and
    all that S/N scales drops out. The fit is linear in the flux, so noise moves it by nothing on
    average, and the continuum, with it the normalised flux, does not depend on S/N.

    Parameters
    ----------
    flux, ivar : (star, pixel)
        Flux in any unit and its inverse variance; 0 = not measured.
    chip : ndarray of int (pixel,)
        Detector of each pixel; each gets a polynomial of its own.
    continuum : ndarray of bool (pixel,)
        Pixels that carry no line in any star of interest.
    degree : int
        Degree of the polynomial.
    """
    require_float64()
    where = np.flatnonzero(continuum)
    basis = design(chip, degree)[where]
    on_chip = (chip[where][:, None] == np.unique(chip)).astype(float)
    return _solve(jnp.asarray(flux[:, where]), jnp.asarray(ivar[:, where]), basis, on_chip)


@jax.jit
def _solve(flux, ivar, basis, on_chip) -> ContinuumFit:
    use = (ivar > 0) & jnp.isfinite(flux) & jnp.isfinite(ivar)
    use &= jnp.where(use, flux * jnp.sqrt(ivar), 0.0) > FAR_BELOW_ZERO
    flux, used = jnp.where(use, flux, 0.0), use.astype(float)  # what was not measured may be NaN
    chips = jnp.where(use[:, :, None] & (on_chip[None] > 0), ivar[:, :, None], jnp.nan)
    median = jnp.nan_to_num(jnp.nanmedian(chips, axis=1), nan=1.0)
    ratio = jnp.where(use, ivar / (median @ on_chip.T), 0.0)
    weight = ratio / (1.0 + ratio)
    # a level per star keeps the normal equations of faint and bright stars on one scale
    level = jnp.sum(flux, axis=1) / jnp.maximum(jnp.sum(used, axis=1), 1.0)
    level = jnp.where(level > 0, level, 1.0)[:, None]
    normal = jnp.einsum("sp,pi,pj->sij", weight, basis, basis)
    # the ridge keeps a detector without continuum pixels from spoiling the other two
    inverse = jnp.linalg.inv(normal + 1e-9 * jnp.eye(basis.shape[1])[None])
    right = jnp.einsum("sp,pi->si", weight * flux / level, basis)
    noise = jnp.where(use, weight**2 / (jnp.where(use, ivar, 1.0) * level**2), 0.0)
    spread = inverse @ jnp.einsum("sp,pi,pj->sij", noise, basis, basis) @ inverse
    terms = basis.shape[1] // on_chip.shape[1]
    enough = jnp.repeat(used @ on_chip >= terms, terms, axis=1)
    found = jnp.einsum("sij,sj->si", inverse, right) * level
    both = enough[:, :, None] & enough[:, None, :]
    return ContinuumFit(
        jnp.where(enough, found, jnp.nan),
        jnp.where(both, spread * level[:, :, None] ** 2, jnp.nan),
    )


def fit_continuum(
    flux: StarPixels, ivar: StarPixels, chip: np.ndarray, continuum: np.ndarray, degree: int = 2
) -> StarPixels:
    """Fit the continuum and evaluate it on all pixels; takes what `solve_continuum` takes.

    Returns
    -------
    (star, pixel)
        The continuum in the unit of `flux`; NaN on a detector with too few continuum pixels.
    """
    fit = solve_continuum(flux, ivar, chip, continuum, degree)
    return _evaluate(fit.coefficients, design(chip, degree))


@jax.jit
def _evaluate(coefficients, basis):
    # a lost detector must not spoil the others: NaN times 0 is NaN
    known = jnp.nan_to_num(coefficients) @ basis.T
    lost = jnp.isnan(coefficients).astype(float) @ (basis != 0).astype(float).T
    return jnp.where(lost > 0, jnp.nan, known)


def normalise(
    flux: StarPixels, ivar: StarPixels, chip: np.ndarray, continuum: np.ndarray, degree: int = 2
) -> tuple[StarPixels, StarPixels]:
    """Divide spectra by their fitted continuum.

    Takes what `solve_continuum` takes. Where no positive continuum was found ivar is 0.

    Returns
    -------
    flux, ivar : (star, pixel)
        Normalised flux (1 in the continuum) and its inverse variance.
    """
    fit = solve_continuum(flux, ivar, chip, continuum, degree)
    return divide(jnp.asarray(flux), jnp.asarray(ivar), fit.coefficients, design(chip, degree))


@jax.jit
def divide(flux, ivar, coefficients, basis) -> tuple[StarPixels, StarPixels]:
    """Divide by the continuum of given coefficients (star, term); `basis` is `design`'s."""
    level = _evaluate(coefficients, basis)
    good = jnp.isfinite(level) & (level > 0) & (ivar > 0)
    level = jnp.where(good, level, 1.0)
    return jnp.where(good, flux / level, 0.0), jnp.where(good, ivar * level**2, 0.0)


def continuum_factors(
    coefficients: Float[Array, " term"],
    covariance: Float[Array, "term term"],
    chip: np.ndarray,
    degree: int = 2,
) -> Factors:
    """Directions in which the error of one star's continuum moves its normalised flux.

    Parameters
    ----------
    coefficients, covariance : (term,), (term, term)
        One star's `ContinuumFit`.
    chip, degree
        As for `solve_continuum`.

    Returns
    -------
    (pixel, term)
        F, so that F F^T is the covariance of the relative error of the continuum, and to first
        order that of the normalised flux where it is near 1; 0 on a detector without continuum.
    """
    basis = jnp.asarray(design(chip, degree))
    level = _evaluate(jnp.asarray(coefficients)[None], basis)[0]
    usable = jnp.isfinite(level) & (level > 0)
    known = jnp.diagonal(covariance) > 0
    pairs = known[:, None] & known[None, :]
    full = jnp.where(pairs, covariance, jnp.diag(jnp.where(known, 0.0, 1.0)))
    root = jnp.where(known[:, None], jnp.linalg.cholesky(full), 0.0)
    return jnp.where(usable[:, None], basis @ root / jnp.where(usable, level, 1.0)[:, None], 0.0)


def find_continuum(
    baseline: np.ndarray,
    slopes: np.ndarray,
    chip: np.ndarray,
    usable: np.ndarray,
    *,
    tolerance: float = 0.015,
    share: float = 0.07,
) -> np.ndarray:
    """Choose pixels with flux near one that depends on no label (Ness et al. 2015, section 5.2).

    Parameters
    ----------
    baseline : (pixel,)
        Coefficient of order zero: the flux at the pivot labels.
    slopes : (pixel, label)
        First-order coefficients in scaled labels, so that one limit serves all.
    chip : (pixel,)
        Detector of each pixel.
    usable : bool (pixel,)
        Pixels that the model describes.
    tolerance : float
        Largest distance of `baseline` from 1.
    share : float
        Share of each section's pixels to take: those with the smallest largest slope.

    Returns
    -------
    bool (pixel,)
        None of a section where no baseline is near one.
    """
    steepest = np.abs(np.asarray(slopes)).max(axis=1)
    candidate = np.asarray(usable) & (np.abs(np.asarray(baseline) - 1) < tolerance)
    chosen = np.zeros(len(steepest), bool)
    for detector in np.unique(chip):
        for section in np.array_split(np.flatnonzero(chip == detector), SECTIONS):
            here = section[candidate[section]]
            most = max(1, round(share * section.size))
            chosen[here[np.argsort(steepest[here], kind="stable")[:most]]] = True
    return chosen
