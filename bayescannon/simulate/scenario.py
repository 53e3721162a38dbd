"""Scenarios that differ from the plain mock: where posteriors are put to the test."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bayescannon.model import Model

CUBIC = 0.03
"""Cubic part of every label's response, in units of its linear one (third Hermite polynomial)."""
SATURATION = 0.5
"""No line gets deeper than this [flux]: depth d becomes SATURATION * tanh(d / SATURATION)."""


class Scenario(NamedTuple):
    """How a mock differs from the plain one."""

    curved: bool = False
    """Spectra have cubic and saturating terms: no quadratic model can hold them."""
    quoted: float = 1.0
    """Quoted photon error over the real one."""
    preference: float = 0.0
    """Odds of being kept change by e to this per sd of [Fe/H] and of ln mass: above 0 a set is
    metal-rich and massive, hence young; below 0 metal-poor and old."""
    age: Callable | None = None
    """(labels (star, 4), state (star,), rng) -> ln mass, ln age (star,): masses from ages."""


def curve(model: Model, labels: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Bend quadratic spectra (star, pixel) of stars with these labels (star, label)."""
    scaled = model.scaled(labels)
    linear = model.coefficients[:, 1 : 1 + scaled.shape[1]]
    bent = clean + CUBIC * (scaled**3 - 3 * scaled) @ linear.T
    return 1 - SATURATION * np.tanh((1 - bent) / SATURATION)
