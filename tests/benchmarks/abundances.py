"""Ten-fold cross-validation on the real giants: state mixture against quadratic regression.

python tests/benchmarks/abundances.py
"""

import numpy as np
from scipy.stats import norm

import bayescannon as bc
from bayescannon.cli.abundances import abundance_catalog
from bayescannon.data import apokasc, model_path
from bayescannon.flags import Flag
from bayescannon.model.by_state import StateModels
from bayescannon.validate.abundances import cross_validate_by_state, real_giants


def dex(off):
    """Rms and half the 16 to 84 % width, in dex."""
    low, high = np.percentile(off, [16, 84]) / np.log(10)
    return f"rms {np.sqrt(np.mean(off**2)) / np.log(10):.4f}, robust {(high - low) / 2:.4f} dex"


def crps(draws, truth):
    """Continuous ranked probability score of draws (star, draw)."""
    rank = 2 * np.arange(1, draws.shape[1] + 1) - draws.shape[1] - 1
    spread = (rank[None] * np.sort(draws, axis=1)).sum(axis=1) / draws.shape[1] ** 2
    return np.abs(draws - truth[:, None]).mean(axis=1) - spread


def regress(x, y, fold):
    """Quadratic regression of ln mass on the six numbers, in the same folds."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    i, j = np.triu_indices(x.shape[1])
    v = np.column_stack([np.ones(len(x)), x, x[:, i] * x[:, j]])
    mean, sd = np.zeros((2, len(y)))
    for k in np.unique(fold):
        rest = fold != k
        fit = np.linalg.lstsq(v[rest], y[rest], rcond=None)[0]
        mean[~rest] = v[~rest] @ fit
        sd[~rest] = np.std(y[rest] - v[rest] @ fit, ddof=v.shape[1])
    u = (y - mean) / sd
    score = sd * (u * (2 * norm.cdf(u) - 1) + 2 * norm.pdf(u) - 1 / np.sqrt(np.pi))
    return mean, score


def masses() -> None:
    """Judge masses; every posterior is convolved with f times the quoted error."""
    spectra, labels, state = real_giants()
    recipe = bc.Recipe.load(model_path("apokasc-abundances") / "recipe.toml")
    found = cross_validate_by_state(spectra, labels, state, recipe)
    judged = np.asarray(found["fold"]) >= 0
    y, error, fold = (np.asarray(found[n])[judged] for n in ("ln_mass_in", "error", "fold"))
    draws = np.asarray(found["draws"])[judged]
    wide = draws + error[:, None] * np.random.default_rng(0).normal(size=draws.shape)
    z = (wide.mean(axis=1) - y) / wide.std(axis=1)
    print(f"{len(y)} stars, state not given: {dex(draws.mean(axis=1) - y)}, z-width {z.std():.3f}")
    for name in ("rgb", "rc"):
        here, f = state[judged] == name, np.asarray(found[f"f_{name}"])[judged]
        off = (draws.mean(axis=1) - y)[here]
        print(f"  {name}: {here.sum()} stars, {dex(off)}, z {z[here].std():.3f}, f {f.mean():.2f}")
    for p in (50, 68, 90, 95):
        low, high = np.quantile(wide, [0.5 - p / 200, 0.5 + p / 200], axis=1)
        sigma = np.sqrt(p * (100 - p) / len(y))
        print(
            f"  {p} % interval holds {100 * np.mean((y >= low) & (y <= high)):.1f} +- {sigma:.1f}"
        )
    mean, other = regress(spectra.flux[judged], y, fold)
    score = crps(wide, y)
    less = score - other
    print(f"quadratic regression: {dex(mean - y)}, CRPS {other.mean():.5f}")
    print(
        f"state mixture: CRPS {score.mean():.5f}, "
        f"difference {less.mean():.5f} +- {less.std() / np.sqrt(len(y)):.5f}"
    )


def ages_and_flags() -> None:
    """IN SAMPLE: ages of the shipped model against the published ones, and the flag."""
    spectra, _, _ = real_giants()
    models = StateModels.load(model_path("apokasc-abundances"))
    table = abundance_catalog(models, spectra, method="importance", draws=500, seed=0)
    real = apokasc()
    row = {str(name): i for i, name in enumerate(real["star_id"])}
    published = np.ma.filled(np.ma.asarray(real["age_apokasc2"]).astype(float), np.nan)
    off = np.log(np.asarray(table["age_q50"]) / published[[row[s] for s in spectra.star_id]])
    off = off[np.isfinite(off)]
    print(f"ages, in sample: {len(off)} stars, {dex(off)}, bias {off.mean() / np.log(10):.3f} dex")
    flagged = (np.asarray(table["flags"]) & int(Flag.NOT_SINGLE_STAR)) != 0
    light = flagged & (np.asarray(table["p_trunc"]) > 0.84)
    print(f"NOT_SINGLE_STAR: {flagged.sum()} of {len(table)}, {light.sum()} of them too light")


if __name__ == "__main__":
    masses()
    ages_and_flags()
