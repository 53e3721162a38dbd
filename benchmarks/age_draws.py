"""How far ages move with other draws: the error that the flag LOW_ESS of the age step stands for.

    python -m benchmarks.age_draws --draws 500

Semi-synthetic stars of S/N 20 to 400, `importance`. Errors are those of the quoted median age, in
half widths of its 68 % interval (in ln age): the scatter between runs of other seeds, and the
difference from one run with 16000 draws, by the number of effective draws that are left when the
label prior is divided out. The last lines are for another division, which the package does
not make: of the prior's marginal density of [Fe/H] and ln mass; the other labels keep their prior.
"""

import argparse
from itertools import pairwise

import numpy as np
import xarray as xr
from scipy.stats import multivariate_normal

import bayescannon as bc
from bayescannon.ages.run import FEW_DRAWS
from bayescannon.data import model_path
from bayescannon.posterior.prior import population_prior
from bayescannon.trees import array
from studies.from_model import simulate_stars

EDGES = (0, 10, 25, 50, 75, 100, 150, 200, 300, 500, np.inf)


def main() -> None:
    """Infer with few draws and several seeds, and once with many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--stars", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    model = bc.Model.load(model_path("apokasc-mass"))
    spectra = simulate_stars(model, options.stars, 7).spectra
    settings = [(16_000, 100), *((options.draws, seed) for seed in range(options.seeds))]
    found = [_ages(model, spectra, draws, seed) for draws, seed in settings]
    for name, ages in zip(
        ("whole prior", "prior of [Fe/H] and mass"), zip(*found, strict=True), strict=True
    ):
        print(f"{name} divided out, {options.draws} draws:")
        _report([quantiles for quantiles, _ in ages], np.mean([ess for _, ess in ages[1:]], axis=0))


def _report(quantiles: list[np.ndarray], left: np.ndarray) -> None:
    """Compare the first run's medians with the others', by the effective draws (star,)."""
    truth, medians = quantiles[0], np.log([q[2] for q in quantiles[1:]])
    width = np.log(truth[3] / truth[1]) / 2
    scatter = medians.std(axis=0, ddof=1) / width
    error = (medians - np.log(truth[2])) / width
    print(f"  {100 * np.mean(left < FEW_DRAWS):.0f} % of stars below {FEW_DRAWS} effective draws,")
    print(f"  {100 * np.mean(scatter > 0.1):.0f} % scatter by more than 0.1")
    print("  effective draws   stars   rms scatter   rms error")
    for low, high in (*pairwise(EDGES), (0, np.inf)):
        here = (left >= low) & (left < high)
        if here.any():
            print(f"  {low:6} to {high:<6} {here.sum():6}", end=" ")
            print(f"{_rms(scatter[here]):12.3f} {_rms(error[:, here]):12.3f}")


def _ages(model: bc.Model, spectra: bc.Spectra, draws: int, seed: int) -> list:
    """Quantiles of the age (level, star), and effective draws (star,), for both divisions."""
    post = bc.infer(model, spectra, "importance", draws=draws, seed=seed)
    out = []
    for log_prior in (array(post, "sample_stats/log_prior"), _log_marginal(model, post)):
        stats = post["sample_stats"].to_dataset()
        stats["log_prior"] = (stats["log_prior"].dims, log_prior)
        ages = bc.infer_ages(
            xr.DataTree.from_dict(
                {"posterior": post["posterior"].to_dataset(), "sample_stats": stats}
            )
        )
        out.append((array(ages, "point/quantile")[0], array(ages, "sample_stats/ess")))
    return out


def _log_marginal(model: bc.Model, post: xr.DataTree) -> np.ndarray:
    """Log density of [Fe/H] and ln mass under the population prior, (chain, draw, star)."""
    prior = population_prior(model.population)
    which = [model.labels.index(name) for name in ("feh", "ln_mass")]
    labels = np.stack([array(post, f"posterior/{name}") for name in model.labels], axis=-1)
    scaled = model.scaling.to_scaled(labels)[..., which]
    terms = [
        np.log(weight) + multivariate_normal.logpdf(scaled, mean[which], cov[np.ix_(which, which)])
        for weight, mean, cov in zip(*map(np.asarray, prior), strict=True)
    ]
    return np.logaddexp.reduce(terms, axis=0).reshape(labels.shape[:-1])  # it drops axes of one


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(values**2)))


if __name__ == "__main__":
    main()
