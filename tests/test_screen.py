"""What commands show: help, tables, bars; and what goes to which stream."""

import os
import re
import subprocess
import sys

import pytest
import typer
from conftest import run_cli

from bayescannon.cli.app import COMMANDS
from bayescannon.cli.lazy import load_command

ELSEWHERE = {
    "calibrate": "studies.calibration.command:app",
    "bench": "benchmarks.app:app",
    "ages self-check": "studies.ages.command:app",
    "figures paper": "studies.paper.command:app",
}
HEAVY = {"jax", "numpy", "astropy", "xarray", "numpyro", "arviz", "matplotlib", "rich.progress"}


def every_command():
    """Each command that can be called, by its words: (words, click command)."""
    places = {name: f"bayescannon.cli.{place}" for name, (place, _) in COMMANDS.items()}
    for words, where in (places | ELSEWHERE).items():
        command = typer.main.get_command(load_command(where, words))
        yield words, command
        for name, below in getattr(command, "commands", {}).items():
            if f"{words} {name}" not in ELSEWHERE:
                yield f"{words} {name}", below


@pytest.fixture
def shown(monkeypatch, capsys):
    """What a command prints on standard output, on a terminal of so many columns."""

    def call(words: str, columns: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        assert run_cli(monkeypatch, *words.split()) == 0
        return capsys.readouterr().out

    return call


def in_one_line(text: str) -> str:
    return re.sub(r"[-\s]+", "", text)  # a word may be broken at its hyphen


def test_help_of_every_command_shows_its_texts_whole(shown):
    found = dict(every_command())
    assert {"demo", "catalog", "ages infer", "figures star", "bench train"} <= set(found)
    for words, command in found.items():
        text = in_one_line(shown(f"{words} --help"))
        assert in_one_line(command.help.split("\n\n")[0]) in text, words
        for parameter in command.params:
            if not getattr(parameter, "hidden", False):
                assert parameter.help, (words, parameter.name)
                assert in_one_line(parameter.help) in text, (words, parameter.name)


@pytest.mark.parametrize("columns", [80, 60])
def test_help_fits_the_terminal_and_cuts_no_sentence(shown, columns):
    for words in ("", *dict(every_command())):
        usage, *lines = shown(f"{words} --help", columns).splitlines()
        assert usage.startswith(f"Usage: bayescannon {words}")
        assert max(map(len, lines)) <= columns, words
        assert not [line for line in lines if line.endswith("...")], words


def test_help_and_version_load_nothing_heavy():
    code = (
        "import sys\nfrom bayescannon.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        f"print('loaded:', {HEAVY} & set(sys.modules))"
    )
    for words, expected in (("--help", "continuum-pixels"), ("--version", "bayescannon 0.")):
        done = subprocess.run(
            [sys.executable, "-c", code, words], capture_output=True, text=True, check=True
        )
        assert expected in done.stdout
        assert done.stdout.endswith("loaded: set()\n")


def test_public_names_load_at_their_first_use():
    code = (
        "import sys, bayescannon as bc\n"
        "assert 'jax' not in sys.modules\n"
        "assert {'train', 'infer', 'Spectra', 'flags'} <= set(dir(bc)) == set(bc.__all__)\n"
        "from bayescannon import *\n"
        "assert bc.train is train and callable(infer) and bc.ages.salaris\n"
        "import jax\nassert jax.config.jax_enable_x64\n"
        "assert not {'arviz', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
