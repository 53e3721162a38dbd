"""What to beat: a quadratic formula for one label, with a Gaussian error.

With the other labels it is climatology: what a star like this one usually is, no spectrum needed.
With [C/M] and [N/M] it is the formula of Martig et al. (2016, MNRAS 456, 3655).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from bayescannon.labels import features

Stars = Float[np.ndarray, "star"]
Inputs = Float[np.ndarray, "star input"]


class Formula(NamedTuple):
    """A quadratic in the inputs and its scatter."""

    pivot: Float[np.ndarray, "input"]
    scale: Float[np.ndarray, "input"]
    coefficients: Float[np.ndarray, "feature"]
    sd: float

    def predict(self, inputs: Inputs) -> Stars:
        """Mean forecast; its standard deviation is `sd`."""
        return _features(inputs, self.pivot, self.scale) @ self.coefficients


def fit_formula(inputs: Inputs, target: Stars, error: Stars | float = 0.0) -> Formula:
    """Fit by least squares.

    Parameters
    ----------
    inputs : (star, input)
    target : (star,)
        Stars with a NaN are left out.
    error : (star,), optional
        Random error of the target, to be taken out of the scatter: give it where forecasts are
        judged against truth, leave it where they are judged against values that err alike.
    """
    good = np.isfinite(inputs).all(axis=1) & np.isfinite(target)
    inputs, target = inputs[good], target[good]
    error = np.broadcast_to(error, good.shape)[good]
    pivot, scale = inputs.mean(axis=0), inputs.std(axis=0)
    v = _features(inputs, pivot, scale)
    coefficients = np.linalg.lstsq(v, target, rcond=None)[0]
    off = target - v @ coefficients
    whole = (off @ off) / (len(off) - v.shape[1])
    # a tenth of the scatter is left at least: errors may be overstated
    left = max(whole - np.mean(error**2), 0.01 * whole)
    return Formula(pivot, scale, coefficients, float(np.sqrt(left)))


def _features(inputs, pivot, scale) -> np.ndarray:
    return np.asarray(features((inputs - pivot) / scale))
