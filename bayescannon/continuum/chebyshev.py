"""Divide by a low-order Chebyshev polynomial through "true" continuum pixels, per detector."""

import jax.numpy as jnp
import numpy as np
from numpy.polynomial import chebyshev

import bayescannon.precision  # noqa: F401

from ..typing import StarPixels

NEVER_BETTER_THAN = 0.01
"""Relative error added in quadrature to every continuum pixel's weight.

It keeps the weights of bright and faint stars alike, so that the fitted continuum, and with it
the normalised flux, does not depend on S/N (Ness et al. 2015, section 5.2 asks for that).
"""


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


def fit_continuum(
    flux: StarPixels, ivar: StarPixels, chip: np.ndarray, continuum: np.ndarray, degree: int = 2
) -> StarPixels:
    """Fit the continuum of each star by weighted least squares (Ness et al. 2015, section 5.2).

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

    Returns
    -------
    (star, pixel)
        The continuum in the unit of `flux`; NaN on a detector with too few continuum pixels.
    """
    basis = jnp.asarray(design(chip, degree))
    use = jnp.asarray(continuum[None] & (ivar > 0) & (flux > 0))
    flux = jnp.where(use, flux, 0.0)  # what was not measured may be NaN
    relative = 1.0 / (jnp.where(use, ivar * flux**2, 1.0)) + NEVER_BETTER_THAN**2
    weight = jnp.where(use, NEVER_BETTER_THAN**2 / relative, 0.0)
    # a level per star keeps the normal equations of faint and bright stars on one scale
    used = use.astype(float)
    level = jnp.sum(flux, axis=1) / jnp.maximum(jnp.sum(used, axis=1), 1.0)
    level = jnp.where(level > 0, level, 1.0)[:, None]
    normal = jnp.einsum("sp,pi,pj->sij", weight, basis, basis)
    # the ridge keeps a detector without continuum pixels from spoiling the other two
    normal = normal + 1e-9 * jnp.eye(basis.shape[1])[None]
    right = jnp.einsum("sp,pi->si", weight * flux / level, basis)
    solution = jnp.linalg.solve(normal, right[..., None])[..., 0]
    on_chip = jnp.asarray(chip[:, None] == np.unique(chip), float)
    enough = (used @ on_chip) @ on_chip.T > degree
    return jnp.where(enough, (solution @ basis.T) * level, jnp.nan)


def normalise(
    flux: StarPixels, ivar: StarPixels, chip: np.ndarray, continuum: np.ndarray, degree: int = 2
) -> tuple[StarPixels, StarPixels]:
    """Divide spectra by their fitted continuum.

    Takes what `fit_continuum` takes. Where no positive continuum was found the result has ivar 0.

    Returns
    -------
    flux, ivar : (star, pixel)
        Normalised flux (1 in the continuum) and its inverse variance.
    """
    level = fit_continuum(flux, ivar, chip, continuum, degree)
    good = jnp.isfinite(level) & (level > 0) & (ivar > 0)
    level = jnp.where(good, level, 1.0)
    return jnp.where(good, flux / level, 0.0), jnp.where(good, ivar * level**2, 0.0)
