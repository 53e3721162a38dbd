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

    def as_dict(self) -> dict[str, float]:
        """Plain numbers by name."""
        return {name: float(value) for name, value in self._asdict().items()}


def judge(
    truth: np.ndarray, mean: np.ndarray, sd: np.ndarray, q16: np.ndarray, q84: np.ndarray
) -> Judged:
    """Compare posteriors with the values they should hold.

    Parameters
    ----------
    truth, mean, sd, q16, q84 : (star,)
        True value; posterior mean, standard deviation, 16 and 84 % quantiles. Stars with a NaN
        are left out.

    Returns
    -------
    Judged
        `bias` mean error; `rms` root mean square error; `robust` half the 16 to 84 % width of the
        errors; `z` standard deviation of error / sd (1 for honest errors); `coverage68` share of
        stars whose 16 to 84 % interval holds the truth; `slope` of the mean against the truth.
    """
    good = np.isfinite(truth) & np.isfinite(mean) & np.isfinite(sd)
    truth, mean, sd, q16, q84 = (a[good] for a in (truth, mean, sd, q16, q84))
    if truth.size < 2:
        return Judged(int(truth.size), *[float("nan")] * 6)
    error = mean - truth
    low, high = np.percentile(error, [16, 84])
    return Judged(
        n=int(truth.size),
        bias=error.mean(),
        rms=np.sqrt(np.mean(error**2)),
        robust=(high - low) / 2,
        z=np.std(error / sd),
        coverage68=np.mean((truth >= q16) & (truth <= q84)),
        slope=np.polyfit(truth, mean, 1)[0],
    )
