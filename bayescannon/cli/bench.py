"""`bench`: how fast the package is on this machine."""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import xarray as xr

from ..ages.run import infer_ages
from ..ages.selfcheck import make_mock_ages
from ..data import model_path
from ..flags import Flag
from ..infer import infer as infer_labels
from ..infer import stack_draws
from ..infer.run import STARS_PER_BLOCK
from ..infer.selfcheck import judge_ranks, make_stars, ranks
from ..model import Model
from ..trees import array, point_sd
from .bench_ingest import ingest
from .console import console, progress

app = typer.Typer(help="Measure how fast the package is on this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure how fast the package is on this machine."""


app.command()(ingest)


@app.command()
def ages(
    stars: Annotated[int, typer.Option(min=1, help="How many stars.")] = 70_000,
    draws: Annotated[int, typer.Option(min=2, help="Posterior draws per star.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of the mock posteriors.")] = 0,
) -> None:
    """Time the step from mass posteriors to age posteriors, compilation included."""
    mock = make_mock_ages(stars, "flat-age", seed, draws=draws)
    with progress("age posteriors", stars) as update:
        wall, cpu = time.perf_counter(), time.process_time()
        tree = infer_ages(mock.post, progress=update)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    failed = int(np.isnan(tree["point"].to_dataset()["mean"].values[0]).sum())
    console.print(
        f"{stars} stars x {draws} draws: {wall:.1f} s ({cpu:.1f} CPU s), "
        f"{stars / wall:.0f} stars a second, {failed} without an age"
    )


ModelOption = Annotated[Path, typer.Option(help="Model folder, or the name of a shipped model.")]
MethodOption = Annotated[list[str], typer.Option(help="Method of `infer`; may be repeated.")]
SHIPPED = Path("apokasc-mass")


@app.command()
def infer(
    stars: Annotated[int, typer.Option(min=1, help="How many stars, of S/N 20 to 400.")] = 2048,
    method: MethodOption = ["laplace", "importance", "nuts", "auto"],  # noqa: B006
    model: ModelOption = SHIPPED,
    draws: Annotated[int, typer.Option(min=2, help="Posterior draws per star.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of stars and draws.")] = 0,
) -> None:
    """Time posteriors from spectra in memory, diagnostics included, compilation stated apart."""
    trained = Model.load(model_path(model))
    spectra = make_stars(trained, stars, seed).spectra
    for name in method:
        begin = time.perf_counter()
        infer_labels(trained, spectra[:STARS_PER_BLOCK], name, draws=draws, seed=seed)
        first = time.perf_counter() - begin
        wall, cpu = time.perf_counter(), time.process_time()
        post = infer_labels(trained, spectra, name, draws=draws, seed=seed)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        flags, ess = array(post, "sample_stats/flags"), array(post, "sample_stats/ess")
        known = f", ESS >= {0.8 * draws:.0f} for {100 * np.mean(ess >= 0.8 * draws):.1f} %"
        raised = [
            f"{f.name} {100 * np.mean(flags & f > 0):.1f} %" for f in Flag if (flags & f).any()
        ]
        console.print(
            f"{name}: {1000 * wall / stars:.2f} ms a star ({1000 * cpu / stars:.2f} ms CPU), "
            f"{stars / wall:.0f} stars a second; first block {first:.1f} s"
            f"{known if np.isfinite(ess).any() else ''}; flags: {', '.join(raised) or 'none'}"
        )


@app.command()
def calibration(
    stars: Annotated[int, typer.Option(min=100, help="How many made stars.")] = 1000,
    method: MethodOption = ["importance", "nuts"],  # noqa: B006
    model: ModelOption = SHIPPED,
    seed: Annotated[int, typer.Option(help="Seed of stars and draws.")] = 0,
) -> None:
    """Rank true labels among 199 thinned draws, and test that the ranks are uniform."""
    trained = Model.load(model_path(model))
    made = make_stars(trained, stars, seed)
    for name in method:
        with progress(name, stars) as update:
            post = infer_labels(
                trained, made.spectra, name, "population", seed=seed, progress=update
            )
        found = judge_ranks(ranks(made.labels, stack_draws(post, trained.labels)))
        p_value = min(1.0, found.p_value.min() * len(trained.labels))
        console.print(
            f"{name}: smallest chi2 p after Bonferroni {p_value:.3f} (20 bins), ECDF at most "
            f"{found.ecdf_excess.max():.2f} of its 99 % band: "
            f"{'passed' if found.passed else 'FAILED'}"
        )


@app.command()
def exactness(
    stars: Annotated[int, typer.Option(min=1, help="How many made stars.")] = 20,
    method: MethodOption = ["importance", "nuts"],  # noqa: B006
    model: ModelOption = SHIPPED,
    draws: Annotated[int, typer.Option(min=100, help="Draws per star and reference chain.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of stars and draws.")] = 0,
) -> None:
    """Compare moments with those of NumPyro's NUTS on all pixels (slow).

    The Monte Carlo error of both samples is given beside the differences.
    """
    trained = Model.load(model_path(model))
    spectra = make_stars(trained, stars, seed).spectra
    with progress("all pixels", stars) as update:
        exact = [
            infer_labels(trained, spectra[i], "reference", draws=draws, seed=seed, progress=update)
            for i in range(stars)
        ]
    centre, width = (np.concatenate([f(e) for e in exact]) for f in (_mean, point_sd))
    worth = np.concatenate([array(e, "sample_stats/ess") for e in exact])
    for name in method:
        post = infer_labels(trained, spectra, name, draws=draws, seed=seed)
        off = (_mean(post) - centre) / width
        ratio = point_sd(post) / width
        error = np.sqrt(1 / worth + 1 / array(post, "sample_stats/ess"))[:, None]
        console.print(
            f"{name}: means differ by {np.sqrt(np.mean(off**2)):.3f} sd rms, at most "
            f"{np.abs(off).max():.3f} (Monte Carlo {np.sqrt(np.mean(error**2)):.3f}; largest "
            f"{np.abs(off / error).max():.1f} errors); sd ratio {ratio.mean():.4f}, at most "
            f"{np.abs(ratio - 1).max():.3f} from 1 (Monte Carlo "
            f"{np.sqrt(np.mean(error**2) / 2):.3f})"
        )


def _mean(post: xr.DataTree) -> np.ndarray:
    return array(post, "point/mean")
