"""The command line: `bayescannon COMMAND`."""

import os
import signal
import sys
import warnings
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

import bayescannon
from bayescannon.cli.lazy import mount, plain_app
from bayescannon.cli.report import report
from bayescannon.errors import UserError, line_of

COMMANDS = {
    "demo": ("demo:demo", "Run the whole method on data that ships: no files needed."),
    "paths": ("fetch:paths", "Print where the survey keeps the spectra of your stars."),
    "fetch": ("fetch:fetch", "Download spectra of the stars of a table."),
    "ingest": ("data:ingest", "Read SDSS spectra into a store, normalised."),
    "continuum-pixels": ("data:continuum_pixels", "Find continuum pixels with a first model."),
    "train": ("model:train", "Train a model on spectra with known labels."),
    "models": ("models:app", "List, show and check models."),
    "crossval": ("model:crossval", "Judge a model by stars that it has not seen."),
    "repeats": ("repeats:repeats", "Learn photon errors from visits of the same stars."),
    "infer": ("posterior:infer", "Sample the posterior of the labels of every star."),
    "ages": ("ages:app", "Turn mass posteriors into age posteriors."),
    "catalog": ("catalog:catalog", "Write a table of labels, masses and ages."),
    "select": ("select:select", "Say which stars of a catalogue a paper would select."),
    "figures": ("figures:app", "Draw stars, spectra and models."),
    "simulate": ("data:simulate", "Make semi-synthetic spectra with known truth."),
}
"""Each command: its place in `bayescannon.cli`, and its line of help."""

app = plain_app(no_args_is_help=True, add_completion=True)
for name, (place, words) in COMMANDS.items():
    mount(app, name, f"bayescannon.cli.{place}", words)
mount(app, "calibrate", "studies.calibration.command:app", "Judge posteriors by known truths.")
mount(app, "bench", "benchmarks.app:app", "Measure how fast the package is on this machine.")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"bayescannon {bayescannon.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Masses and ages of red giants from their spectra, as posteriors."""


def main() -> None:
    """Run the command line.

    Exit code 0: done; 2: what the user can mend, one line on stderr; 3: what the system refuses;
    130 and 143: Ctrl-C and SIGTERM, once half-written files are removed; 1: a fault of ours.
    """
    handlers = {s: signal.signal(s, _stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="jax")
            warnings.showwarning = _in_one_line  # ty: ignore[invalid-assignment]
            app(prog_name="bayescannon")
        sys.stdout.flush()
    except UserError as error:
        _leave(str(error), 2)
    except OSError as error:
        _leave(line_of(error), 3)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(words: str, code: int) -> NoReturn:
    with suppress(OSError):  # stderr may lie on the disk that is full
        print(f"bayescannon: {words}", file=sys.stderr)
    raise SystemExit(code) from None


def _stop(number: int, _) -> NoReturn:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # clearing up is not interrupted
    words = "stopped; the same command starts again, or goes on with what is kept"
    os.write(2, f"bayescannon: {words}\n".encode())  # Python may be in the middle of a print
    raise SystemExit(128 + number)


def _in_one_line(message, *_, **__) -> None:
    report.write(str(message))
    if not report.quiet:
        print(f"bayescannon: {message}", file=sys.stderr)
