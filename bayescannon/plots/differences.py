"""Numbers that sum up the differences between estimates and inputs."""

import numpy as np


def numbers(truth: np.ndarray, estimate: np.ndarray, sd: np.ndarray | None = None) -> dict:
    """Sum up the differences of one label; stars with a NaN are left out.

    Parameters
    ----------
    truth, estimate : (star,)
        In label units.
    sd : (star,), optional
        Posterior standard deviations.

    Returns
    -------
    dict
        `n`, `bias` (mean), `rms` (about zero), `robust` (half the central 68 % range); with
        `sd` also `z`, the standard deviation of difference / sd: 1 if errors are honest.
    """
    difference = np.asarray(estimate, float) - np.asarray(truth, float)
    good = np.isfinite(difference)
    difference = difference[good]
    if not difference.size:
        return {"n": 0, "bias": np.nan, "rms": np.nan, "robust": np.nan, "z": np.nan}
    out = {
        "n": int(difference.size),
        "bias": float(difference.mean()),
        "rms": float(np.sqrt(np.mean(difference**2))),
        "robust": half_width(difference),
    }
    if sd is not None:
        spread = np.asarray(sd, float)[good]
        known = spread > 0
        out["z"] = float(np.std(difference[known] / spread[known])) if known.any() else np.nan
    return out


def half_width(values: np.ndarray) -> float:
    """Half the central 68 % range of `values` (any shape, no NaN): a robust standard deviation."""
    low, high = np.percentile(values, [16, 84])
    return float(high - low) / 2
