"""The command line: `bayescannon COMMAND`."""

import sys
import warnings

import typer

from bayescannon.cli import ages, catalog, data, demo, figures, model, posterior, select
from bayescannon.cli.source_tree import mount
from bayescannon.errors import UserError
from bayescannon.precision import use_compilation_cache

app = typer.Typer(
    name="bayescannon",
    help="Masses and ages of red giants from their spectra, as posteriors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(data.simulate)
app.command()(data.ingest)
app.command()(data.paths)
app.command()(data.continuum_pixels)
app.command()(model.train)
app.command()(model.crossval)
app.command()(posterior.infer)
app.add_typer(ages.app, name="ages")
app.command()(catalog.catalog)
app.command()(select.select)
app.add_typer(figures.app, name="figures")
mount(
    ages.app,
    "self-check",
    "studies.ages.command",
    "Judge the age posteriors of simulated stars under each age prior.",
)
mount(
    figures.app,
    "paper",
    "studies.paper.command",
    "Make the figures and tables of Ness et al. 2016, each with a caption and its numbers.",
)
mount(
    app,
    "calibrate",
    "studies.calibration.command",
    "Judge posteriors where the truth is known: report.html and report.json.",
)
mount(app, "bench", "benchmarks.app", "Measure how fast the package is on this machine.")


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr and exit code 2."""
    warnings.filterwarnings("ignore", category=UserWarning, module="jax")
    use_compilation_cache()
    try:
        app()
    except UserError as error:
        print(f"bayescannon: {error}", file=sys.stderr)
        raise SystemExit(2) from None
