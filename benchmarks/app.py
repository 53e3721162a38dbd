"""`bench`: how fast the package is on this machine, and how exact."""

import time
from typing import Annotated

import numpy as np
import typer

from bayescannon.ages.run import infer_ages
from bayescannon.cli.console import console, progress
from bayescannon.cli.lazy import plain_app
from benchmarks import infer as bench_infer
from benchmarks import train as bench_train
from benchmarks.catalog import catalog
from benchmarks.ingest import ingest
from studies.ages.check import make_mock_ages

app = plain_app(no_args_is_help=True)
app.command("train")(bench_train.train_scenarios)
app.command()(bench_infer.infer)
app.command()(bench_infer.calibration)
app.command()(bench_infer.exactness)


@app.callback()
def bench() -> None:
    """Measure how fast the package is on this machine."""


app.command()(ingest)
app.command()(catalog)


@app.command()
def ages(
    stars: Annotated[int, typer.Option(min=1, help="How many stars.")] = 70_000,
    draws: Annotated[int, typer.Option(min=2, help="Posterior draws per star.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of the mock posteriors.")] = 0,
) -> None:
    """Time the ages, compilation included."""
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
