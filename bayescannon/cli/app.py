"""The shell: `bayescannon COMMAND`."""

import sys
import warnings

import typer

from ..errors import UserError
from ..precision import use_compilation_cache
from . import (
    abundances,
    ages,
    bench,
    calibrate,
    catalog,
    data,
    demo,
    figures,
    model,
    paper,
    posterior,
)

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
app.command()(abundances.catalog_abundances)
app.command()(calibrate.calibrate)
figures.app.command()(paper.paper)
app.add_typer(figures.app, name="figures")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the shell; what the user can mend is one line on stderr and exit code 2."""
    warnings.filterwarnings("ignore", category=UserWarning, module="jax")
    use_compilation_cache()
    try:
        app()
    except UserError as error:
        print(f"bayescannon: {error}", file=sys.stderr)
        raise SystemExit(2) from None
