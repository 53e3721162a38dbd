"""`ages`: mass posteriors to age posteriors, the grids behind them, and how far to trust them."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from typer.core import TyperGroup

from bayescannon.ages import AGE_PRIORS, Parsec, infer_ages
from bayescannon.ages.build import build_grid, interpolation_error
from bayescannon.ages.systematics import compare, real_giants, shifts
from bayescannon.cli.console import Overwrite, Seed, console, log, progress, text_table
from bayescannon.cli.lazy import mount, plain_app
from bayescannon.errors import plural
from bayescannon.files import check_output, output
from bayescannon.marks import AGES, GRID, SHIFTS
from bayescannon.model.checks import data_mark
from bayescannon.posterior import open_posterior


class _ShortForm(TyperGroup):
    """`ages POSTERIORS` is short for `ages infer POSTERIORS`."""

    def parse_args(self, ctx, args):
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["infer", *args]
        return super().parse_args(ctx, args)


app = plain_app(cls=_ShortForm, no_args_is_help=True)


@app.callback()
def ages() -> None:
    """Turn mass posteriors into age posteriors.

    `bayescannon ages POSTERIORS` is short for `bayescannon ages infer POSTERIORS`; its options are
    listed by `bayescannon ages infer --help`.
    """


@app.command()
def infer(
    posteriors: Annotated[Path, typer.Argument(help="Posterior store of `bayescannon infer`.")],
    out: Annotated[Path, typer.Option(help="Age store to write.")] = Path("ages.zarr"),
    prior: Annotated[str, typer.Option(help=f"One of {', '.join(AGE_PRIORS)}.")] = "flat-age",
    p_rc: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Probability of the red clump, for all stars; learned without."
        ),
    ] = None,
    grid: Annotated[
        Path | None, typer.Option(help="Grid of `build-grid`; the shipped PARSEC one without.")
    ] = None,
    overwrite: Overwrite = False,
    seed: Annotated[int | None, typer.Option(help="Seed; that of the posteriors without.")] = None,
) -> None:
    """Turn mass posteriors into age posteriors.

    Masses are compared with isochrones; a star's metallicity and state count.
    """
    with output(out, AGES, overwrite) as beside:
        post, chosen = open_posterior(posteriors), isochrones(grid)
        n_star = post["posterior"].sizes["star"]
        with progress("age posteriors", n_star) as update:
            tree = infer_ages(post, chosen, prior, p_rc, seed, update)
        tree.to_zarr(beside, mode="w", consolidated=False)
    failed = int(tree["point"]["mean"].sel(quantity="age").isnull().sum())
    done = plural(n_star - failed, f"{data_mark(post.attrs)} age posterior".lstrip())
    console.print(f"{done} in {out}, {plural(failed, 'star')} without an age")


@app.command("build-grid")
def build(
    files: Annotated[
        list[Path], typer.Argument(help="CMD web form 3.x output, MIST .iso, or fsps isoc_z*.dat.")
    ],
    out: Annotated[Path, typer.Option(help="Grid to write (.zarr).")],
    eta: Annotated[
        float | None,
        typer.Option(help="Reimers mass loss, for tables that state none; 0 for no mass loss."),
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="Name of the models; what the files say without.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Build a grid from isochrone tables.

    They must hold several ages and metallicities, and the giant branch and the clump.
    """
    with output(out, GRID, overwrite) as beside:
        with log.status("reading isochrones"):
            grid = build_grid(files, eta, family)
        grid.save(beside)
    console.print(
        f"{grid.info['family']}, eta {grid.info['eta']}: "
        f"{plural(grid.mh.size, 'metallicity', 'metallicities')} from "
        f"{grid.mh[0]:.2f} to {grid.mh[-1]:.2f}, {plural(grid.log_age.size, 'age')}, "
        f"isochrones up to {grid.last_age:.2f} Gyr, in {out}"
    )
    for state in ("rgb", "rc"):
        error = interpolation_error(grid, state)
        console.print(f"{state}: {_errors(error)} dex of age, half of the ages left out")


def _errors(error: np.ndarray) -> str:
    low, high, most = np.nanquantile(error, [0.5, 0.95, 1.0])
    return f"interpolation error {low:.4f} (median), {high:.4f} (95 %), {most:.4f} (largest)"


@app.command()
def systematics(
    out: Annotated[Path | None, typer.Option(help="Table to write (.ecsv).")] = None,
    grid: Annotated[
        list[Path] | None, typer.Option(help="A further grid of `build-grid`; may be repeated.")
    ] = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
) -> None:
    """Print how far choices shift the ages.

    The choices are alpha, state, prior and grid; the table has a column for each bin of mass.
    Shifts in dex of the median age of the 1502 real giants, against flat-age, alpha on, the
    catalogue's state, and the shipped grid.
    """
    if out is not None:
        check_output(out, SHIFTS, overwrite)
    further = {path.name: Parsec.open(path) for path in grid or []}
    giants = real_giants(seed)
    with progress("ways to an age", 4 + len(AGE_PRIORS) + len(further)) as update:
        table = shifts(compare(giants, further, update), giants)
    console.print(_printed(table))
    if out is not None:
        table.meta["creator"] = SHIFTS.creator
        with output(out, SHIFTS, overwrite) as beside:
            table.write(beside)


def _printed(table) -> str:
    rows = [(str(first), *(f"{value:+.3f}" for value in rest)) for first, *rest in table]
    title = "shift of the median age in dex, per bin of current mass in Msun"
    return text_table(table.colnames, rows, title)


mount(
    app,
    "self-check",
    "studies.ages.command:app",
    "Judge the age posteriors of simulated stars under each age prior.",
)


def isochrones(path: Path | None) -> Parsec:
    """Open a grid, or the shipped one."""
    return Parsec.open(path) if path else Parsec.default()
