"""Photometric distances: H magnitude, extinction from colour, absolute magnitude from the labels.

A star's luminosity follows from its surface: L ~ M Teff^4 / g. So M_H + 2.5 log10 M depends on
Teff, log g and [M/H] alone, whatever the age, and a quadratic in the three holds it to 0.007 mag
(rms) on PARSEC isochrones; `scripts/build_absolute_magnitude.py` made the coefficients.
"""

import numpy as np

from bayescannon.data import absolute_magnitude
from bayescannon.labels import monomials

RJCE = 0.918
"""A_Ks = RJCE (H - [4.5] - INTRINSIC): Majewski, Zasowski & Nidever (2011, ApJ 739, 25)."""
INTRINSIC = {"irac": 0.08, "wise": 0.05}
"""Intrinsic H - [4.5 micron] of a giant [mag]; WISE W2 as in Zasowski et al. (2013, AJ 146, 81)."""
H_OVER_K = 1.55
"""A_H / A_Ks: Indebetouw et al. (2005, ApJ 619, 931)."""
TO_2MASS = -0.016
"""2MASS H minus the isochrones' (Bessell & Brett) H [mag]: Carpenter (2001, AJ 121, 2851), from its
equations for K and H - K; the term in colour, 0.004 (H - K), is left out."""


def absolute_h(
    teff: np.ndarray, logg: np.ndarray, mh: np.ndarray, ln_mass: np.ndarray
) -> np.ndarray:
    """Absolute 2MASS H magnitude of a giant, PARSEC v1.2S.

    Parameters
    ----------
    teff, logg, mh, ln_mass : ndarray of one shape
        [K], [dex, cgs], [M/H] [dex], ln of the current mass [Msun]. The fit holds for
        3800 to 5400 K, log g 0.8 to 3.6, [M/H] -1.1 to 0.5.

    Returns
    -------
    ndarray of that shape
        M_H [mag].
    """
    fit = absolute_magnitude()
    labels = np.stack(np.broadcast_arrays(teff, logg, mh), axis=-1)
    scaled = (labels - np.array(fit["pivot"])) / np.array(fit["scale"])
    terms = np.concatenate([np.ones((*scaled.shape[:-1], 1)), scaled], axis=-1)
    at_one_sun = terms[..., monomials(3)].prod(axis=-1) @ np.array(fit["coefficients"])
    return at_one_sun - 2.5 / np.log(10) * np.asarray(ln_mass) + TO_2MASS


def extinction_h(h: np.ndarray, mag_4_5: np.ndarray, band: str = "wise") -> np.ndarray:
    """Extinction A_H by the RJCE method: A_H = 1.55 x 0.918 (H - [4.5] - intrinsic).

    Parameters
    ----------
    h : ndarray (star,)
        2MASS H [mag].
    mag_4_5 : ndarray (star,)
        Magnitude at 4.5 micron.
    band : {"wise", "irac"}
        WISE W2, or Spitzer IRAC channel 2.

    Returns
    -------
    ndarray (star,)
        A_H [mag]; what would be negative is noise around none, and is 0. NaN stays NaN.
    """
    return np.maximum(H_OVER_K * RJCE * (h - mag_4_5 - INTRINSIC[band]), 0.0)


def photometric_distance(
    h: np.ndarray | float, absolute: np.ndarray, extinction: np.ndarray | float = 0.0
) -> np.ndarray:
    """Distance from apparent and absolute magnitude.

    Parameters
    ----------
    h : ndarray (star,)
        2MASS H [mag].
    absolute : ndarray (..., star)
        M_H [mag]; one for each draw of the labels carries their errors into the distance.
    extinction : ndarray (star,) or float
        A_H [mag].

    Returns
    -------
    ndarray (..., star)
        [kpc].
    """
    return 10 ** ((h - extinction - absolute - 10) / 5)
