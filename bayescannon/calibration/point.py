"""How good point estimates and intervals are, label by label."""

from typing import NamedTuple

import numpy as np


class Judged(NamedTuple):
    """Accuracy of one label over many stars, in label units."""

    n: int
    bias: float
    rms: float
    robust: float
    z: float
    coverage68: float
    slope: float
    bias_sd: float
    truth_on_mean: float

    def as_dict(self) -> dict[str, float]:
        """Plain numbers by name."""
        return {name: float(value) for name, value in self._asdict().items()}


def judge(
    truth: np.ndarray,
    mean: np.ndarray,
    sd: np.ndarray,
    q16: np.ndarray,
    q84: np.ndarray,
) -> Judged:
    """Compare posteriors with the values they should hold.

    Parameters
    ----------
    truth, mean, sd, q16, q84 : (star,)
        True value; posterior mean, standard deviation, 16 and 84 % quantiles. Stars with a NaN
        are left out. Where `truth` has random errors itself, those of the posterior convolved
        with them (see `convolve`).

    Returns
    -------
    Judged
        `bias` mean error; `rms` root mean square error; `robust` half the 16 to 84 % width of the
        errors; `z` standard deviation of error / sd (1 if calibrated); `coverage68` share of
        stars whose 16 to 84 % interval holds the truth; `slope` of the mean against the truth;
        `bias_sd` mean of error / sd; `truth_on_mean` slope of the truth against the posterior
        mean, which is 1 for any calibrated posterior.
    """
    good = np.isfinite(truth) & np.isfinite(mean) & np.isfinite(sd)
    truth, mean, sd, q16, q84 = (a[good] for a in (truth, mean, sd, q16, q84))
    if truth.size < 2:
        return Judged(int(truth.size), *[float("nan")] * 8)
    off = mean - truth
    low, high = np.percentile(off, [16, 84])
    return Judged(
        n=int(truth.size),
        bias=off.mean(),
        rms=np.sqrt(np.mean(off**2)),
        robust=(high - low) / 2,
        z=np.std(off / sd),
        coverage68=np.mean((truth >= q16) & (truth <= q84)),
        slope=np.polyfit(truth, mean, 1)[0],
        bias_sd=np.mean(off / sd),
        truth_on_mean=np.polyfit(mean, truth, 1)[0],
    )


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
        `sd` also `z`, the standard deviation of difference / sd: 1 if errors are calibrated.
    """
    difference = np.asarray(estimate, float) - np.asarray(truth, float)
    good = np.isfinite(difference)
    difference = difference[good]
    if not difference.size:
        return {"n": 0} | dict.fromkeys(("bias", "rms", "robust", "z"), np.nan)
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
