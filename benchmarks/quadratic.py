"""A scenario that is exactly quadratic and whose labels are exact: what training must get right."""

from typing import NamedTuple

import numpy as np
from astropy.table import Table

from bayescannon.labels import monomials
from bayescannon.spectra import Spectra

NAMES = ("one", "two", "three", "four", "weak")
SNR, MISSING = 150.0, 0.04
LINEAR, QUADRATIC = 0.02, 0.004
"""Scales of the coefficients [flux per sd of a label]."""
WEAK = 0.05
"""The fifth label's coefficients are this much smaller."""
SCATTER = 0.004


class Quadratic(NamedTuple):
    """Stars of an exactly quadratic scenario; `scatter` (pixel,) is the true one."""

    spectra: Spectra
    labels: Table
    scatter: np.ndarray


def make_quadratic(n_star: int, n_pixel: int = 8575, seed: int = 0, part: int = 0) -> Quadratic:
    """Make stars with five exact labels, unit Gaussian, of which one is hardly to be seen.

    Parameters
    ----------
    n_star, n_pixel : int
        How many; S/N is about 150, 4 % of the pixels are missing.
    seed : int
        The scenario: coefficients and scatter of the pixels.
    part : int
        Which of its stars: parts share no star.
    """
    rng = np.random.default_rng(seed)
    table = monomials(len(NAMES))
    size = np.where((table > 0).sum(axis=1) == 1, LINEAR, QUADRATIC)
    size = np.where((table == len(NAMES)).any(axis=1), WEAK * size, size)
    coefficients = size * rng.normal(size=(n_pixel, len(table)))
    coefficients[:, 0] = rng.uniform(0.7, 1.0, n_pixel)
    scatter = SCATTER * rng.uniform(0.5, 1.5, n_pixel)
    rng = np.random.default_rng([seed, part])
    labels = rng.normal(size=(n_star, len(NAMES)))
    v = np.concatenate([np.ones((n_star, 1)), labels], axis=1)[:, table].prod(axis=-1)
    snr = SNR * rng.uniform(0.8, 1.2, (n_star, 1))
    noise = np.sqrt(scatter**2 + snr**-2.0)
    flux = v @ coefficients.T + noise * rng.standard_normal((n_star, n_pixel), np.float32)
    ivar = np.where(rng.random((n_star, n_pixel), np.float32) < MISSING, 0.0, snr**2)
    star_id = [f"quadratic-{part}-{i:06d}" for i in range(n_star)]
    made = Table({"star_id": star_id} | {n: labels[:, i] for i, n in enumerate(NAMES)})
    wavelength = 10 ** (4.179 + 6e-6 * np.arange(n_pixel))
    return Quadratic(Spectra(wavelength, flux, ivar, star_id), made, scatter)
