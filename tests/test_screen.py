"""What commands show: help, tables, bars; and what goes to which stream."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import typer
import xarray as xr
from conftest import ROOT, run_cli
from rich.progress import Task, TaskID

import bayescannon as bc
from bayescannon.cli.app import COMMANDS
from bayescannon.cli.console import TimeColumn, console, posterior_table, progress, text_table
from bayescannon.cli.lazy import load_command
from bayescannon.errors import plural
from bayescannon.flags import Flag

ELSEWHERE = {
    "calibrate": "studies.calibration.command:app",
    "bench": "benchmarks.app:app",
    "ages self-check": "studies.ages.command:app",
    "figures paper": "studies.paper.command:app",
}
COMMON = ("--json", "--quiet", "--verbose", "--log")
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


# --- tables, bars, streams -----------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 60])
def test_tables_cut_no_word(monkeypatch, capsys, posterior, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    post = posterior.copy()
    flags = np.full(200, Flag.OUTSIDE_TRAINING | Flag.SEVERAL_MODES)
    stats = post["sample_stats"].to_dataset().assign(flags=("star", flags))
    post["sample_stats"] = xr.DataTree(stats)
    console.print(posterior_table(post))
    out = capsys.readouterr().out
    for word in ("star-003", "OUTSIDE_TRAINING", "SEVERAL_MODES", "reduced chi2", "teff", "feh"):
        assert word in out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= columns


def test_a_table_wider_than_the_terminal_keeps_its_words(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    cells = [f"column-number-{i}" for i in range(9)]
    console.print(text_table(["label", *["two\nlines"] * 8], [cells]))
    assert all(cell in capsys.readouterr().out for cell in cells[:1])
    assert text_table(["a", "b"], [], "title").splitlines() == ["title", "a  b", "-  -"]


def test_lines_keep_brackets_and_their_length(capsys):
    path = "/data/run[1]/[pixels]/" + 30 * "long/" + "out.zarr"
    console.print(f"1 spectrum in {path} :star:")
    assert capsys.readouterr().out == f"1 spectrum in {path} :star:\n"


@pytest.mark.parametrize("columns", [80, 60])
def test_bars_go_to_standard_error_and_name_the_time_left_and_taken(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    column = TimeColumn()
    task = Task(TaskID(0), "stars", 10, 5, _get_time=lambda: 65.0)
    assert column.render(task).plain.endswith(" left")
    task.finished_time = 65.0
    assert column.render(task).plain == "in 01:05"
    with progress("ages by a model trained on age", 70_000) as update:
        update(35_000)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "ages by a model trained on age" in shown.err
    assert re.search(r"70000/70000 in \d\d:\d\d", shown.err)


def test_every_command_takes_the_common_options(shown):
    for words, command in every_command():
        if not hasattr(command, "commands"):
            text = shown(f"{words} --help")
            assert all(option in text for option in COMMON), words


def test_one_json_object_on_standard_output_and_all_else_elsewhere(
    scenario, tmp_path, monkeypatch, capsys
):
    scenario.spectra.save(tmp_path / "s.zarr")
    scenario.model.save(tmp_path / "m")
    log, store = tmp_path / "run.log", tmp_path / "p.zarr"
    common = ("--json", "--log", log)
    words = ("infer", tmp_path / "s.zarr", "--model", tmp_path / "m", "--out", store, "--draws", 20)
    runs = {
        "infer": (*words, "--method", "laplace"),
        "catalog": ("catalog", store, "--out", tmp_path / "c.fits"),
        "paths": ("paths", "--star", "2M0", "--field", "M13"),
        "models": ("models", "list"),
    }
    for name, run in runs.items():
        assert run_cli(monkeypatch, *run, *common) == 0
        shown = capsys.readouterr()
        made = json.loads(shown.out)
        assert made["command"] == f"bayescannon {name}"
        assert made["exit"] == 0
        assert made["lines"]
    assert run_cli(monkeypatch, *words, *common) == 2
    shown = capsys.readouterr()
    assert "exists; choose another output" in json.loads(shown.out)["error"]
    assert json.loads(shown.out)["exit"] == 2
    assert shown.err.startswith("bayescannon: ")
    told = log.read_text()
    assert re.search(r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d stars: 200/200 in ", told, re.MULTILINE)
    assert "bayescannon infer: exit code 2" in told
    assert "exists; choose another output" in told


def test_quiet_and_verbose(monkeypatch, capsys, tmp_path):
    words = ("simulate", "--kind", "mock", "--stars", 3, "--out", tmp_path / "a", "--overwrite")
    assert run_cli(monkeypatch, *words, "--quiet") == 0
    shown = capsys.readouterr()
    assert "3 semi-synthetic stars" in shown.out
    assert shown.err == ""
    assert run_cli(monkeypatch, "models", "list", "--log", tmp_path / "no" / "x.log") == 2
    assert "x.log: No such file or directory; choose another file" in capsys.readouterr().err
    monkeypatch.setattr("bayescannon.cli.console.LOG_EVERY", 0.0)
    with progress("stars", 4) as update:
        update(2, 1)
    lines = capsys.readouterr().err.splitlines()
    assert re.search(r"stars, 1 not good: 2/4, [\d.]+/s, 00:00 left$", lines[0])
    assert re.search(r"stars: 4/4 in 00:00$", lines[1])


def test_numbers_in_sentences():
    assert plural(1, "spectrum", "spectra") == "1 spectrum"
    assert plural(0, "spectrum", "spectra") == "0 spectra"
    assert plural(2, "star") == "2 stars"


# --- what cannot be read -------------------------------------------------------------------------


def test_what_is_something_else_is_told_without_python(posterior, scenario, tmp_path):
    posterior.to_zarr(tmp_path / "post.zarr", consolidated=False)
    scenario.spectra.save(tmp_path / "spectra.zarr")
    (tmp_path / "file.zarr").write_text("text")
    names = ("post.zarr", "spectra.zarr", "file.zarr", "none.zarr", ".")
    readers = {
        bc.Spectra.open: "spectra.zarr",
        bc.open_posterior: "post.zarr",
        bc.model.load: None,
        bc.Parsec.open: None,
        bc.Recipe.load: None,
    }
    for reader, own in readers.items():
        for name in names:
            if name != own:
                with pytest.raises(bc.UserError) as refused:
                    reader(tmp_path / name)
                words = str(refused.value)
                assert str(tmp_path) in words
                assert not re.search(r"object|Error|attribute|\[Errno|NoneType|__", words), words
                assert "\n" not in words


def test_a_lacking_key_is_named():
    with pytest.raises(bc.UserError, match=r"section \[labels\] lacks a key: names$"):
        bc.Recipe.loads('name = "x"\n[labels]\ndegree = 2\n')


def test_notice_names_every_file_that_ships():
    notice = (ROOT / "NOTICE.md").read_text(encoding="utf-8")
    folders = (ROOT / "models", ROOT / "bayescannon" / "data", ROOT / "tests" / "data")
    shipped = [p for folder in folders for p in folder.iterdir() if p.suffix not in (".py", "")]
    shipped += [p for p in (ROOT / "models").iterdir() if p.is_dir()]
    for path in shipped:
        assert f"`{path.relative_to(ROOT)}`" in notice, path
