"""`bench infer`, `bench calibration`, `bench exactness`: speed and truth of the posteriors."""

import os
import resource
import shutil
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import typer
import xarray as xr
from numpyro.diagnostics import effective_sample_size
from numpyro.infer.util import log_density

from bayescannon.calibration import judge_ranks, ranks
from bayescannon.cli.console import console, progress
from bayescannon.data import model_path
from bayescannon.errors import UserError
from bayescannon.flags import Flag
from bayescannon.labels import features
from bayescannon.model import Model
from bayescannon.posterior import infer as infer_labels
from bayescannon.posterior import (
    laplace,
    log_likelihood,
    make_prior,
    stack_draws,
    star_program,
    summarise,
)
from bayescannon.posterior.run import STARS_PER_BLOCK
from bayescannon.precision import numpyro_rules
from bayescannon.spectra import Spectra
from bayescannon.trees import array
from benchmarks.disk import BARE, bare_times, forget, repeat_spectra
from studies.from_model import simulate_stars

ModelOption = Annotated[Path, typer.Option(help="Model folder, or the name of a shipped model.")]
MethodOption = Annotated[list[str], typer.Option(help="Method of `infer`; may be repeated.")]
SeedOption = Annotated[int, typer.Option(help="Seed of stars and draws.")]
SHIPPED = Path("apokasc-mass")
DIFFERENT_STARS = 2048
"""So many are made; a larger run repeats their spectra under other names."""


def infer(
    stars: Annotated[int, typer.Option(min=1, help="How many stars, of S/N 20 to 400.")] = 2048,
    method: MethodOption = ["laplace", "importance", "nuts", "auto"],  # noqa: B006
    model: ModelOption = SHIPPED,
    draws: Annotated[int, typer.Option(min=2, help="Posterior draws per star.")] = 500,
    factors: Annotated[
        int, typer.Option(min=0, help="Random residual factors (0.002) that the model is given.")
    ] = 0,
    pixels: Annotated[
        int, typer.Option(min=0, help="Repeat the model's pixels up to this number.")
    ] = 0,
    disk: Annotated[
        Path | None,
        typer.Option(
            help="Folder with space: run from store to store, beside bare read and write."
        ),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Time posteriors and their diagnostics.

    The first block, with compilation, is timed apart.

    Runs where JAX runs: on a GPU when there is one.
    """
    devices = jax.devices()
    console.print(f"device: {devices[0].device_kind} ({devices[0].platform})")
    if devices[0].platform == "cpu":
        console.print("no GPU here: the GPU part of this benchmark is skipped")
    trained = _changed(Model.load(model_path(model)), factors, pixels, seed)
    different = simulate_stars(trained, min(stars, DIFFERENT_STARS), seed).spectra
    with tempfile.TemporaryDirectory(dir=disk) as folder:
        store = None if disk is None else Path(folder) / "spectra.zarr"
        spectra = repeat_spectra(different, stars, store)
        for name in method:
            begin = time.perf_counter()
            infer_labels(trained, spectra[:STARS_PER_BLOCK], name, draws=draws, seed=seed)
            first = time.perf_counter() - begin
            out = None if disk is None else Path(folder) / f"{name}.zarr"
            if store is not None:
                forget(store)
            wall, cpu = time.perf_counter(), time.process_time()
            with progress(name, stars) as update:
                post = infer_labels(
                    trained, spectra, name, draws=draws, seed=seed, out=out, progress=update
                )
            if store is not None:
                os.sync()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            console.print(
                f"{name}: {wall:.1f} s, {1000 * wall / stars:.3f} ms a star "
                f"({1000 * cpu / stars:.3f} CPU), {stars / wall:.0f} stars a second; first block "
                f"{first:.1f} s; peak memory {peak_memory():.2f} GiB; {_quality(post, draws)}"
            )
            if store is not None and out is not None:
                bare = bare_times(store, [out], Path(folder) / "copy.zarr")
                console.print(
                    f"  bare read of the spectra {bare[0]:.1f} s and bare write of the posteriors "
                    f"{bare[1]:.1f} s ({BARE}): {wall / sum(bare):.2f} times that"
                )
                shutil.rmtree(out)


def _changed(model: Model, factors: int, pixels: int, seed: int) -> Model:
    """Give a model random factors, and more pixels by repeating its own."""
    if pixels:
        if model.wavelength is None:
            raise UserError(f"model {model.name!r} has channels: --pixels is for wavelengths")
        take = np.arange(pixels) % len(model.scatter)
        parts = ("coefficients", "scatter", "usable", "factors")
        model = replace(
            model,
            wavelength=np.linspace(model.wavelength[0], model.wavelength[-1], pixels),
            **{name: getattr(model, name)[take] for name in parts},
        )
    if factors:
        random = np.random.default_rng(seed).normal(size=(len(model.scatter), factors))
        model = replace(model, factors=0.002 * random)
    return model


def peak_memory(who: int = resource.RUSAGE_SELF) -> float:
    """Give the most memory that this process, or its largest child, has held [GiB]."""
    return resource.getrusage(who).ru_maxrss / 2**20


def _quality(post: xr.DataTree, draws: int) -> str:
    flags, ess = array(post, "sample_stats/flags"), array(post, "sample_stats/ess")
    raised = [f"{f.name} {100 * np.mean(flags & f > 0):.1f} %" for f in Flag if (flags & f).any()]
    known = f"ESS >= {0.8 * draws:.0f} for {100 * np.mean(ess >= 0.8 * draws):.1f} %; "
    return f"{known if np.isfinite(ess).any() else ''}flags: {', '.join(raised) or 'none'}"


def calibration(
    stars: Annotated[int, typer.Option(min=100, help="How many simulated stars.")] = 1000,
    method: MethodOption = ["importance", "nuts"],  # noqa: B006
    model: ModelOption = SHIPPED,
    seed: SeedOption = 0,
) -> None:
    """Test that ranks are uniform.

    Each label is ranked among 199 thinned draws of its posterior.
    """
    trained = Model.load(model_path(model))
    simulated = simulate_stars(trained, stars, seed)
    for name in method:
        with progress(name, stars) as update:
            post = infer_labels(
                trained, simulated.spectra, name, "population", seed=seed, progress=update
            )
        found = judge_ranks(ranks(simulated.labels, stack_draws(post, trained.labels)))
        p_value = min(1.0, found.p_value.min() * len(trained.labels))
        console.print(
            f"{name}, seed {seed}: smallest chi2 p after Bonferroni {p_value:.3f} (20 bins), ECDF "
            f"at most {found.ecdf_excess.max():.2f} of its 99 % band: "
            f"{'passed' if found.passed else 'FAILED'}"
        )
        for label, p, excess in zip(trained.labels, *found, strict=True):
            console.print(f"  {label:<8} p {p:.3f}, ECDF {excess:.2f} of its band")


def exactness(
    stars: Annotated[int, typer.Option(min=1, help="How many simulated stars.")] = 20,
    method: MethodOption = ["importance", "nuts"],  # noqa: B006
    model: ModelOption = SHIPPED,
    draws: Annotated[int, typer.Option(min=100, help="Draws per star and reference chain.")] = 2000,
    seed: SeedOption = 0,
) -> None:
    """Compare with NumPyro's NUTS (slow).

    Likelihoods and moments are held against those of the program of all pixels.

    Means shall be within 0.05 sd and sds within 3 %, after three Monte Carlo errors.
    """
    trained = Model.load(model_path(model))
    spectra = simulate_stars(trained, stars, seed).spectra
    console.print(
        f"ln L of the summary against all pixels, within 5 sd: differences are off by at most "
        f"{_largest_slip(trained, spectra, seed):.1e}"
    )
    with progress("all pixels", stars) as update:
        exact = [
            infer_labels(trained, spectra[i], "reference", draws=draws, seed=seed, progress=update)
            for i in range(stars)
        ]
    truth = [np.concatenate(parts) for parts in zip(*map(_moments, exact), strict=True)]
    for name in method:
        post = infer_labels(trained, spectra, name, draws=2 * draws, seed=seed + 1)
        mean, sd, mean_error, sd_error = _moments(post)
        off, wide = (mean - truth[0]) / truth[1], sd / truth[1] - 1
        noise = np.hypot(mean_error, truth[2]) / truth[1], np.hypot(sd_error, truth[3]) / truth[1]
        beyond = (np.abs(off) > 0.05 + 3 * noise[0]) | (np.abs(wide) > 0.03 + 3 * noise[1])
        console.print(
            f"{name}: means differ by {_rms(off):.3f} sd rms (Monte Carlo {_rms(noise[0]):.3f}), "
            f"at most {np.abs(off).max():.3f}; sds by {100 * _rms(wide):.1f} % rms (Monte Carlo "
            f"{100 * _rms(noise[1]):.1f} %), at most {100 * np.abs(wide).max():.1f} %, on average "
            f"{100 * wide.mean():+.2f} %; rms in Monte Carlo errors {_rms(off / noise[0]):.2f} and "
            f"{_rms(wide / noise[1]):.2f}; beyond the tolerance {beyond.sum()} of {beyond.size}"
        )


def _moments(post: xr.DataTree) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean and sd of every label and their Monte Carlo errors, each (star, label).

    The error of an sd comes from the effective number of squared deviations, which antithetic
    chains have fewer of than of means.
    """
    labels = [str(name) for name in array(post, "point/parameter")]
    draws = np.stack([array(post, f"posterior/{name}") for name in labels], axis=-1)
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1))
    squares = (draws - mean) ** 2
    ess = np.minimum(effective_sample_size(draws), _weighted_ess(post))
    ess_squares = np.minimum(effective_sample_size(squares), _weighted_ess(post))
    return mean, sd, sd / np.sqrt(ess), squares.std(axis=(0, 1)) / np.sqrt(ess_squares) / (2 * sd)


def _weighted_ess(post: xr.DataTree) -> np.ndarray:
    """What importance sampling says of its draws; no limit where they are a chain's."""
    ess, rhat = array(post, "sample_stats/ess"), array(post, "sample_stats/rhat")
    return np.where(np.isfinite(rhat), np.inf, ess)[:, None]


def _largest_slip(model: Model, spectra: Spectra, seed: int, points: int = 64) -> float:
    """Largest error of a likelihood difference within 5 sd, summary against all pixels."""
    flux, ivar = spectra.arrays()
    parts = (model.coefficients, model.scatter, model.usable.astype(float), model.factors)
    summary = summarise(*map(jnp.asarray, (flux, ivar, *parts)))
    prior, _ = make_prior(model, "flat")
    n_label, degree = len(model.labels), model.recipe.labels.degree
    fit = laplace(summary, prior, jnp.zeros((1, n_label)), degree)
    rng, worst = np.random.default_rng(seed), 0.0
    for star in range(len(spectra)):
        good = (ivar[star] > 0) & model.usable
        arrays = (flux[star], ivar[star], model.coefficients, model.scatter, model.factors)
        cut = [jnp.asarray(a[good]) for a in arrays]
        one = jax.tree.map(lambda part, star=star: part[star], summary)
        away = rng.uniform(-5, 5, (points, n_label)) @ np.asarray(fit.cholesky[star]).T
        at = np.asarray(fit.mean[star]) + np.concatenate([np.zeros((1, n_label)), away])
        with numpyro_rules():
            pixels = np.array([_full(x, *cut, prior, degree) for x in jnp.asarray(at)])
        whole = np.asarray(log_likelihood(one, features(jnp.asarray(at), degree)))
        prior_part = np.asarray(prior.log_prob(jnp.asarray(at.T)))
        slip = (whole - whole[0]) - ((pixels - prior_part) - (pixels - prior_part)[0])
        worst = max(worst, float(np.abs(slip).max()))
    return worst


@partial(jax.jit, static_argnames="degree")
def _full(scaled, flux, ivar, coefficients, scatter, factors, prior, degree):
    arguments = (flux, ivar, coefficients, scatter, factors, prior, scaled.size, degree)
    return log_density(star_program, arguments, {}, {"scaled": scaled})[0]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
