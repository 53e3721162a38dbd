"""What law do errors of catalogue masses follow, and are mass posteriors calibrated under it?

    bayescannon calibrate --out DIR --scenario apokasc
    python -m benchmarks.mass_error_law DIR

Semi-synthetic spectra, real masses. The held-out mass posteriors of the scenario `apokasc` are
convolved with Gaussian or Student's t errors, f times what the catalogue quotes. f has the best log
score on one half of the folds, for each predicted state; it judges the other half.
"""

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
from scipy import stats

from bayescannon.calibration import ks_distance
from bayescannon.simulate import make_apokasc
from studies.calibration.sample import Sample

SCALES = np.linspace(0.2, 1.2, 21)
LEVELS = (0.5, 0.68, 0.9, 0.95)


def convolved(draws, truth, error, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """PIT and log density of each catalogue mass under its convolved posterior, each (star,)."""
    law = stats.t(degrees, draws, error[:, None])
    pit, density = (of(truth[:, None]).mean(axis=1) for of in (law.cdf, law.pdf))
    return pit, np.log(density)


def judge(draws, truth, stated, half, clump, degrees: float) -> None:
    """Fit f on each half, judge the other, and print what came of it."""
    (pit, score), scales = np.empty((2, len(truth))), []
    for h, state in product((0, 1), (False, True)):
        fit, held = (np.flatnonzero((half == k) & (clump == state)) for k in (1 - h, h))
        tried = [convolved(draws[fit], truth[fit], f * stated[fit], degrees)[1] for f in SCALES]
        f = SCALES[np.argmax([t.mean() for t in tried])]
        pit[held], score[held] = convolved(draws[held], truth[held], f * stated[held], degrees)
        scales.append(f"{f:.2f}")
    inside = ", ".join(f"{100 * np.mean(np.abs(pit - 0.5) < c / 2):.1f}" for c in LEVELS)
    print(
        f"{degrees:g} degrees of freedom: KS {ks_distance(pit):.3f}; "
        f"{inside} % hold; log score {score.mean():.3f} a star; f {', '.join(scales)}"
    )


def main() -> None:
    """Read the scenario and try three laws."""
    (folder,) = Path(sys.argv[1]).glob("scenarios/apokasc-*")
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
