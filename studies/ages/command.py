"""`ages self-check`: simulated stars from each age prior, judged under it."""

from typing import Annotated

import typer

from bayescannon.ages import AGE_PRIORS
from bayescannon.cli.console import Seed, console, progress, text_table
from bayescannon.cli.lazy import plain_app
from studies.ages.check import BIN_TOLERANCE, PROBABILITIES, TOLERANCE, Check, self_check

app = plain_app()


@app.command()
def check(
    stars: Annotated[int, typer.Option(min=100, help="Mock stars for each prior.")] = 20_000,
    prior: Annotated[str | None, typer.Option(help="Only this prior; all four without.")] = None,
    seed: Seed = 0,
) -> None:
    """Draw mock stars from each age prior, and see whether their age posteriors are calibrated."""
    points = " / ".join(f"{100 * t:g}" for t in TOLERANCE)
    heads = ("prior", *(f"{100 * p:.0f}" for p in PROBABILITIES), "worst", "CRPS", "point", "gain")
    rows = []
    for name in (prior,) if prior else AGE_PRIORS:
        with progress(f"ages, {name}", stars) as update:
            result = self_check(stars, name, seed, progress=update)  # ty: ignore[invalid-argument-type]
        rows.append((name, *_cells(result)))
    console.print(text_table(heads, rows, f"share of {stars} true ages inside intervals, in %"))
    console.print(
        f"allowed misses: {points} points, {100 * BIN_TOLERANCE:g} in the worst bin (68 %)\n"
        "CRPS in dex: ours, of the clipped point age, gain in standard errors"
    )


def _cells(result: Check) -> list[str]:
    covered = [f"{100 * result.coverage[p]:.1f}" for p in PROBABILITIES]
    worst = f"{100 * result.worst_bin:.1f}"
    numbers = [f"{result.crps:.4f}", f"{result.crps_point:.4f}", f"{result.gain_in_se:.0f}"]
    return [*covered, worst, *numbers]
