"""The command line: `bayescannon COMMAND`."""

import signal
import sys
import warnings
from typing import NoReturn

import typer

from bayescannon.cli import ages, catalog, data, demo, figures, model, posterior, select
from bayescannon.cli.source_tree import mount
from bayescannon.errors import UserError, line_of
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
    """Run the command line.

    What the user can mend is one line on stderr and exit code 2, what the system refuses exit
    code 3; Ctrl-C and SIGTERM end with 128 plus their number once half-written files are removed.
    """
    use_compilation_cache()
    handlers = {s: signal.signal(s, _stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="jax")
            warnings.showwarning = _in_one_line  # ty: ignore[invalid-assignment]
            app()
        sys.stdout.flush()
    except UserError as error:
        _leave(str(error), 2)
    except OSError as error:
        _leave(line_of(error), 3)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(words: str, code: int) -> NoReturn:
    print(f"bayescannon: {words}", file=sys.stderr)
    raise SystemExit(code) from None


def _stop(number: int, _) -> NoReturn:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # clearing up is not interrupted
    _leave("stopped; the same command starts again, or goes on with what is kept", 128 + number)


def _in_one_line(message, *_, **__) -> None:
    print(f"bayescannon: {message}", file=sys.stderr)
