"""What law do errors of catalogue masses follow, and are mass posteriors calibrated under it?

    bayescannon calibrate --out DIR --world apokasc
    python tests/benchmarks/mass_error_law.py DIR

Semi-synthetic spectra, real masses. The held-out mass posteriors of the world `apokasc` are
convolved with Gaussian or Student's t errors, f times what the catalogue quotes. f has the best log
score on one half of the folds, for each predicted state; it judges the other half.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats

from bayescannon.calibration import ks_distance
from bayescannon.simulate import make_apokasc
from bayescannon.validate.sample import Sample

SCALES = np.linspace(0.2, 1.2, 21)
LEVELS = (0.5, 0.68, 0.9, 0.95)


def density(draws, truth, error, degrees: float) -> np.ndarray:
    """Log density of each catalogue mass under its convolved posterior, (star,)."""
    off = (truth[:, None] - draws) / error[:, None]
    return np.log(np.mean(stats.t.pdf(off, degrees) / error[:, None], axis=1))


def judge(draws, truth, stated, half, clump, degrees: float) -> None:
    """Fit f on each half, judge the other, and print what came of it."""
    (pit, score), scales = np.empty((2, len(truth))), []
    for h in (0, 1):
        for state in (False, True):
            fit, held = (np.flatnonzero((half == k) & (clump == state)) for k in (1 - h, h))
            tried = [density(draws[fit], truth[fit], f * stated[fit], degrees) for f in SCALES]
            f = SCALES[np.argmax([t.mean() for t in tried])]
            scales.append(f"{f:.2f}")
            error = f * stated[held]
            score[held] = density(draws[held], truth[held], error, degrees)
            off = (truth[held][:, None] - draws[held]) / error[:, None]
            pit[held] = stats.t.cdf(off, degrees).mean(axis=1)
    inside = ", ".join(f"{100 * np.mean(np.abs(pit - 0.5) < c / 2):.1f}" for c in LEVELS)
    print(
        f"{degrees:g} degrees of freedom: KS {ks_distance(pit):.3f}; "
        f"{inside} % hold; log score {score.mean():.3f} a star; f {', '.join(scales)}"
    )


def main() -> None:
    """Read the world and try three laws."""
    (folder,) = Path(sys.argv[1]).glob("worlds/apokasc-*")
    seed = json.loads((folder / "about.json").read_text())["seed"]
    sample = Sample.load(folder / "labels.npz")
    mass = sample.names.tolist().index("ln_mass")
    truth, stated = sample.truth[:, mass], np.asarray(make_apokasc(seed).labels["ln_mass_err"])
    known = np.isfinite(truth)
    columns = sample.draws[:, :, mass].T, truth, stated, sample.half, sample.p_rc > 0.5
    for degrees in (np.inf, 5.0, 3.0):
        judge(*(column[known] for column in columns), degrees)


if __name__ == "__main__":
    main()
