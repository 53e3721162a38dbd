"""Do maps of the mock Milky Way hold the true median ages of their cells?

    python -m benchmarks.galaxy_recovery [--clump 19937] [--giants 50000] [--every 3]

Trains on 1639 mock stars (every fifth pixel), infers the mock Galaxy, maps it in cells of 0.5 by
0.25 kpc, and counts the cells of 20 stars or more whose 95 % interval holds the true median age of
their stars: with and without the error of the mass scale that stars share. Last, the clump with
calibrated masses: truth plus Gaussian errors of 0.13 in ln, no spectra. Of the giants every third
is mapped. Semi-synthetic throughout.
"""

import argparse
import itertools
import os
import time

import numpy as np

import bayescannon as bc
from bayescannon.ages.population import age_likelihood
from bayescannon.posterior.result import as_posterior
from studies.galaxy import Cells, age_map, sort_into_cells
from studies.galaxy.maps import LEAST
from studies.galaxy.recovery import measure, recover, shared_error, train_by_mock
from studies.galaxy.simulate import MockGalaxy, make_galaxy

STRIDE, SIZES, MASS_ERROR = 5, (LEAST, 30, 60, 150, 10**9), 0.13
REACH = {"clump": (4, 15, 3), "giants": (2, 18, 4)}


def cells_of(stars, sample: str) -> Cells:
    low, high, height = REACH[sample]
    edges = np.arange(low, high + 0.1, 0.5), np.arange(-height, height + 0.1, 0.25)
    return sort_into_cells(np.asarray(stars["radius"]), np.asarray(stars["z"]), *edges)


def report(title: str, likelihood, cells: Cells, true_age, shared) -> None:
    start = time.perf_counter()
    found = recover(age_map(likelihood, cells, shared), true_age)
    off = np.log10(found.median / found.truth)
    parts = []
    for low, high in itertools.pairwise(SIZES):
        here = (found.stars >= low) & (found.stars < high)
        parts.append(f"{100 * found.inside[here].mean():.0f}" if here.any() else "-")
    print(
        f"{title:<28} {len(off)} cells, {100 * found.inside.mean():.1f} % inside "
        f"({', '.join(parts)}), offset {off.mean():+.3f}, rms {np.sqrt((off**2).mean()):.3f} dex, "
        f"{time.perf_counter() - start:.0f} s",
        flush=True,
    )


def calibrated_ages(stars, seed: int) -> np.ndarray:
    """Ages (star, draw) of clump stars whose ln mass is measured with Gaussian errors."""
    rng, n, one = np.random.default_rng(seed), len(stars), np.ones((1, 300, 1))
    seen = np.asarray(stars["ln_mass"]) + MASS_ERROR * rng.normal(size=n)
    draws = {k: one * np.asarray(stars[k]) for k in ("teff", "logg", "feh", "afe")}
    draws["ln_mass"] = seen + MASS_ERROR * rng.normal(size=(1, 300, n))
    post = as_posterior(draws, np.asarray(stars["star_id"], str))
    return bc.infer_ages(post, p_rc=1.0, seed=seed)["posterior"]["age"].values[0].T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clump", type=int, default=19_937)
    parser.add_argument("--giants", type=int, default=50_000)
    parser.add_argument("--every", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, seed {args.seed}")
    start = time.perf_counter()
    model = train_by_mock(args.seed, STRIDE)
    print(f"training {time.perf_counter() - start:.0f} s", flush=True)
    for sample, sizes, every in (
        ("clump", (args.clump, 0), 1),
        ("giants", (0, args.giants), args.every),
    ):
        start = time.perf_counter()
        galaxy: MockGalaxy = make_galaxy(*sizes, args.seed)
        found = measure(galaxy, model, stride=STRIDE, seed=args.seed)
        print(f"{len(galaxy.stars)} {sample} in {time.perf_counter() - start:.0f} s", flush=True)
        stars, found = galaxy.stars[::every], found.of(slice(None, None, every))
        cells, true_age = cells_of(stars, sample), np.exp(np.asarray(stars["ln_age"]))
        likelihood = age_likelihood(found.age)
        shared = shared_error(model, found, cells.cell)
        report(sample, likelihood, cells, true_age, shared)
        report(f"{sample}, no shared error", likelihood, cells, true_age, 0.0)
        if sample == "clump":
            likelihood = age_likelihood(calibrated_ages(stars, args.seed))
            report("clump, calibrated masses", likelihood, cells, true_age, 0.0)


if __name__ == "__main__":
    main()
