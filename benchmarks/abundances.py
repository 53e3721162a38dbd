"""Masses from catalogue abundances: ten folds of real giants, beside what else one could do.

uv run --with scikit-learn python -m benchmarks.abundances
"""

import numpy as np

import bayescannon as bc
from bayescannon import calibration as cal
from bayescannon.data import apokasc, model_path
from bayescannon.spectra.abundances import real_giants
from benchmarks.abundance_baselines import BASELINES
from studies.calibration.abundances import cross_validate_by_state


def dex(off) -> str:
    """Rms and half the 16 to 84 % width, in dex."""
    low, high = np.percentile(off, [16, 84]) / np.log(10)
    return f"rms {np.sqrt(np.mean(off**2)) / np.log(10):.4f}, robust {(high - low) / 2:.4f} dex"


def masses(found, state) -> None:
    """Judge our posteriors, convolved with the catalogue's errors as the other folds found them."""
    y, mean, draws = (np.asarray(found[n]) for n in ("ln_mass_in", "mean", "predicted"))
    z, pit = (mean - y) / np.asarray(found["predicted_std"]), cal.pit_of_draws(draws.T, y)
    for name in ("all", "rgb", "rc"):
        here = state == name if name != "all" else np.ones(len(y), bool)
        shares = 100 * cal.coverage(pit[here], cal.LEVELS)
        errors = 100 * cal.binomial_error(cal.LEVELS, int(here.sum()))
        print(f"{name}: {here.sum()} stars, {dex((mean - y)[here])}, z-width {z[here].std():.3f}")
        words = (f"{s:.1f} +- {e:.1f}" for s, e in zip(shares, errors, strict=True))
        print(f"  50, 68, 90, 95 % intervals hold {', '.join(words)} %")
    print(f"f: branch {np.mean(found['f_rgb']):.2f}, clump {np.mean(found['f_rc']):.2f}")
    print(f"KS distance of PIT {cal.ks_distance(pit):.3f}")


def baselines(found, x) -> None:
    """CRPS of every baseline in the same folds, and by how much ours is better."""
    y, fold = np.asarray(found["ln_mass_in"]), np.asarray(found["fold"])
    ours = cal.crps(np.asarray(found["predicted"]).T, y)
    print(f"ours: {dex(np.asarray(found['mean']) - y)}, CRPS {ours.mean():.5f}")
    for name, baseline in BASELINES.items():
        mean, draws = np.empty(len(y)), None
        for k in np.unique(fold):
            rest, test = fold != k, fold == k
            mean[test], some = baseline(x[rest], y[rest], x[test])
            draws = np.empty((len(some), len(y))) if draws is None else draws
            draws[:, test] = some
        score = cal.crps(draws, y)
        gain = cal.compare(ours, score)
        print(
            f"{name}: {dex(mean - y)}, CRPS {score.mean():.5f}, "
            f"ours better by {gain.mean:.5f} +- {gain.error:.5f}"
        )


def ages(found, state) -> None:
    """Held-out ages beside the published ones."""
    real = apokasc()
    row = {str(name): i for i, name in enumerate(real["star_id"])}
    published = np.ma.filled(np.ma.asarray(real["age_apokasc2"]).astype(float), np.nan)
    off = np.log(found["age"][:, 2] / published[[row[s] for s in found["star_id"]]])
    for name in ("rgb", "rc"):
        here = off[(state == name) & np.isfinite(off)]
        print(f"ages, {name}: {len(here)} stars, {dex(here)}, bias {here.mean() / np.log(10):.3f}")


if __name__ == "__main__":
    spectra, labels, state = real_giants()
    recipe = bc.Recipe.load(model_path("apokasc-abundances") / "recipe.toml")
    found = cross_validate_by_state(spectra, labels, state, recipe)
    judged = np.asarray(found["fold"]) >= 0
    found, state, x = found[judged], state[judged], spectra.flux[judged]
    masses(found, state)
    baselines(found, x)
    ages(found, state)
