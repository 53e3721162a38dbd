"""How far ages move with other draws: the error that the flag LOW_ESS of the age step stands for.

    python tests/benchmarks/age_draws.py --draws 500

Semi-synthetic stars of S/N 20 to 400, `importance`. Errors are those of the quoted median age, in
half widths of its 68 % interval (in ln age): the scatter between runs of other seeds, and the
difference from one run with 16000 draws, by the number of effective draws that are left when the
label prior is divided out.
"""

import argparse
from itertools import pairwise

import numpy as np

import bayescannon as bc
from bayescannon.ages.run import FEW_DRAWS
from bayescannon.data import model_path
from bayescannon.infer.selfcheck import make_stars
from bayescannon.trees import array

EDGES = (0, 25, 50, 75, 100, 150, 200, 300, 500, np.inf)


def main() -> None:
    """Infer with few draws and several seeds, and once with many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--stars", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    model = bc.Model.load(model_path("apokasc-mass"))
    spectra = make_stars(model, options.stars, 7).spectra
    truth, _ = _ages(model, spectra, 16_000, 100)
    runs = [_ages(model, spectra, options.draws, seed) for seed in range(options.seeds)]
    medians = np.log([quantile[2] for quantile, _ in runs])
    left = np.mean([ess for _, ess in runs], axis=0)
    width = np.log(truth[3] / truth[1]) / 2
    scatter = medians.std(axis=0, ddof=1) / width
    error = (medians - np.log(truth[2])) / width
    print(f"{options.draws} draws: {100 * np.mean(left < FEW_DRAWS):.0f} % below {FEW_DRAWS}")
    print("effective draws   stars   rms scatter   rms error")
    for low, high in pairwise(EDGES):
        here = (left >= low) & (left < high)
        if here.any():
            print(f"{low:6} to {high:<6} {here.sum():6}", end=" ")
            print(f"{_rms(scatter[here]):12.3f} {_rms(error[:, here]):12.3f}")


def _ages(model: bc.Model, spectra: bc.Spectra, draws: int, seed: int):
    """Quantiles of the age (level, star), and effective draws (star,)."""
    post = bc.infer(model, spectra, "importance", draws=draws, seed=seed)
    ages = bc.infer_ages(post)
    return array(ages, "point/quantile")[0], array(ages, "sample_stats/ess")


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(values**2)))


if __name__ == "__main__":
    main()
