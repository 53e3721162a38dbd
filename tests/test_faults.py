"""Every command that writes, against every way in which writing can fail.

Each command runs in this process on small inputs: JAX stays compiled. Faults are real where they
can be: signals to this process, a limit on the size of files for a full disk, a folder without
permission. For SIGKILL the disk is copied at the moment of the kill, which is all that a killed
process leaves: its locks are the system's.
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from astropy.table import Table
from conftest import DATA, run_cli

import bayescannon as bc
from bayescannon.data import model_path
from bayescannon.posterior.result import as_posterior

APSTAR = DATA / "apStar-r5-2M00004994+1621552.fits.gz"
FOUR = "apogee-dr12-four-label"
FULL = 64
"""Bytes that a file may have where the disk is full."""


class Command(NamedTuple):
    """A command that writes: its words without --out, and the name of its output."""

    words: str
    out: str
    goes_on: bool = False
    """Whether the same command goes on with what is there, instead of refusing it."""
    writes: str = r"\.partial-"
    """Path of a file in whose writing it is stopped."""


COMMANDS = {
    "simulate": Command("simulate --kind mock --stars 3", "made"),
    "ingest": Command(f"ingest {APSTAR}", "spectra.zarr", goes_on=True),
    "continuum-pixels": Command(f"continuum-pixels --model {FOUR}", "pixels.txt"),
    "train": Command(
        "train --spectra {store} --labels {labels} --recipe {recipe} --no-certificate", "model"
    ),
    "crossval": Command(
        "crossval --spectra {store} --labels {labels} --recipe {recipe} --folds 2", "crossval"
    ),
    "infer": Command("infer {store} --model {model} --method laplace --draws 20", "post.zarr"),
    "ages": Command("ages {masses}", "ages.zarr"),
    "ages build-grid": Command("ages build-grid {labels}", "grid.zarr"),
    "ages systematics": Command("ages systematics", "shifts.ecsv"),
    "catalog of spectra": Command(
        "catalog {store} --model {model} --method importance --draws 20 --workers 2",
        "run",
        goes_on=True,
    ),
    "catalog of stores": Command("catalog {post}", "catalog.fits"),
    "select": Command("select {catalog}", "selection.ecsv"),
    "figures star": Command(
        "figures star star-000 --spectra {store} --model {model} --posteriors {post}",
        "star.png",
        goes_on=True,
    ),
    "figures continuum": Command(f"figures continuum {APSTAR}", "continuum.png", goes_on=True),
    "figures factors": Command("figures factors apokasc-mass", "factors.png", goes_on=True),
    "figures paper": Command("figures paper --only table1", "paper", goes_on=True),
    "calibrate": Command("calibrate --quick --scenario known", "calibration", goes_on=True),
    "demo": Command("demo --test-stars 10", "demo"),
}
commands = pytest.mark.parametrize("name", COMMANDS)


@pytest.fixture(scope="module")
def inputs(scenario, posterior, tmp_path_factory):
    """Small inputs of all commands, by the names that `COMMANDS` gives them."""
    folder = tmp_path_factory.mktemp("inputs")
    at = {
        "store": folder / "spectra.zarr",
        "labels": folder / "labels.ecsv",
        "recipe": folder / "recipe.toml",
        "model": folder / "model",
        "post": folder / "post.zarr",
        "masses": folder / "masses.zarr",
        "catalog": folder / "catalog.ecsv",
    }
    scenario.spectra[:60].save(at["store"])
    scenario.labels[:60].write(at["labels"])
    at["recipe"].write_text(scenario.recipe.dumps())
    scenario.model.save(at["model"])
    posterior.to_zarr(at["post"], consolidated=False)
    draws = 0.1 * np.random.default_rng(0).normal(size=(1, 50, 3))
    masses = as_posterior({"ln_mass": 0.2 + draws, "feh": draws}, ["a", "b", "c"])
    masses.to_zarr(at["masses"], consolidated=False)
    table = bc.build_catalog(posterior)
    table["afe_q50"] = np.zeros(len(table))
    bc.write_catalog(table, at["catalog"])
    return at


@pytest.fixture
def call(inputs, monkeypatch, tmp_path) -> Callable[..., int]:
    """Run a command in an empty folder; what takes minutes is replaced by something short."""
    import studies.calibration.command as calibration
    import studies.paper.command as paper
    from bayescannon.cli import ages, demo
    from studies.paper.item import Item

    def ends(*_):
        raise bc.UserError("the demo ends here")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ages, "build_grid", lambda *_: bc.Parsec.default())
    monkeypatch.setattr(ages, "interpolation_error", lambda *_: np.ones(3))
    monkeypatch.setattr(ages, "real_giants", lambda *_: None)
    monkeypatch.setattr(ages, "compare", lambda *_: None)
    monkeypatch.setattr(ages, "shifts", lambda *_: Table({"change": ["none"], "1 Msun": [0.0]}))
    monkeypatch.setattr(demo, "make_apokasc", lambda *_: bc.make_mock(2, 0))
    monkeypatch.setattr(demo, "train", lambda *_: bc.Model.load(model_path(Path(FOUR))))
    monkeypatch.setattr(demo, "cross_validate", ends)
    monkeypatch.setattr(paper, "make_item", lambda *_: Item({}, "words " * 50, {"a": 1.0}))
    monkeypatch.setattr(calibration, "run_part", lambda *_: None)

    def run(name: str, out: Path | None = None, *more) -> int:
        command = COMMANDS[name]
        words = command.words.format(**inputs).split()
        return run_cli(monkeypatch, *words, "--out", out or tmp_path / command.out, *more)

    return run


class _Writes:
    """Calls a function at the first write to a file whose path fits a pattern."""

    pattern: re.Pattern | None = None
    action: Callable[[], Any]

    def __call__(self, event: str, given: tuple) -> None:
        if event != "open" or self.pattern is None or not isinstance(given[0], str):
            return
        if given[2] & (os.O_WRONLY | os.O_RDWR) and self.pattern.search(given[0]):
            self.pattern = None
            self.action()


WRITES = _Writes()
sys.addaudithook(WRITES)


@contextmanager
def at_first_write(pattern: str, action: Callable[[], Any]):
    WRITES.pattern, WRITES.action = re.compile(pattern), action
    try:
        yield
        assert WRITES.pattern is None, "nothing was written"
    finally:
        WRITES.pattern = None


@contextmanager
def full_disk():
    """No file grows beyond a few bytes: every write fails, as on a full disk."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, limit[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)


@contextmanager
def read_only(folder: Path, monkeypatch):
    """Nobody may write here: not root either, where the file system can say so."""
    folder.mkdir()
    folder.chmod(0o555)
    frozen = os.access(folder, os.W_OK) and shutil.which("chattr") is not None
    if frozen:
        frozen = subprocess.run(["chattr", "+i", folder], capture_output=True).returncode == 0
    if os.access(folder, os.W_OK):
        allowed = os.access
        refuses = lambda path, mode: path != folder and allowed(path, mode)  # noqa: E731
        monkeypatch.setattr(os, "access", refuses)
    try:
        yield
    finally:
        if frozen:
            subprocess.run(["chattr", "-i", folder], check=True)
        folder.chmod(0o755)


def one_line(captured) -> str:
    """What the command said on stderr, which must be one line besides bars."""
    said = captured.readouterr().err
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("bayescannon: ")]
    assert len(lines) == 1, said
    return lines[0]


def left(folder: Path) -> list[str]:
    """Hidden files: what was half written, and locks."""
    return [p.name for p in folder.rglob(".*") if p.name != ".bayescannon"]


@commands
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_says_so_in_one_line_and_clears_up(name, number, call, tmp_path, capfd):
    with at_first_write(COMMANDS[name].writes, lambda: os.kill(os.getpid(), number)):
        assert call(name) == 128 + number
    assert "stopped" in one_line(capfd)
    assert left(tmp_path) == []
    assert COMMANDS[name].goes_on or not (tmp_path / COMMANDS[name].out).exists()


@commands
def test_killed_it_leaves_what_the_same_command_ends(name, call, tmp_path):
    """The disk at the moment of SIGKILL is copied, and the command runs again on the copy."""
    killed, command = tmp_path / "killed", COMMANDS[name]

    def copy():
        here = [path for path in tmp_path.iterdir() if path != killed]
        killed.mkdir()
        for path in here:
            shutil.copytree(path, killed / path.name) if path.is_dir() else shutil.copy(
                path, killed
            )

    with at_first_write(command.writes, copy):
        whole = call(name)
    assert left(killed) != []
    assert call(name, killed / command.out) == whole
    assert left(killed) == []
    assert names(killed / command.out) == names(tmp_path / command.out)


@commands
def test_a_full_disk_is_one_line_and_nothing_is_half_there(name, call, tmp_path, capsys):
    with full_disk():
        assert call(name) in (2, 3)
    assert re.search("File too large|not enough space", one_line(capsys), re.I)
    assert left(tmp_path) == []
    assert COMMANDS[name].goes_on or not (tmp_path / COMMANDS[name].out).exists()
    if COMMANDS[name].goes_on:
        assert call(name) == 0


@commands
def test_no_permission_is_told_before_the_work(name, call, tmp_path, capfd, monkeypatch):
    with read_only(tmp_path / "mine", monkeypatch):
        assert call(name, tmp_path / "mine" / COMMANDS[name].out) == 2
    assert "no permission to write" in one_line(capfd)
    assert list((tmp_path / "mine").iterdir()) == []


def names(path: Path) -> set[str]:
    return {str(p.relative_to(path)) for p in path.rglob("*")} if path.is_dir() else {path.name}
