"""Every command that writes, against every way in which writing can fail.

Each command runs in this process on small inputs: JAX stays compiled. Faults are real where they
can be: signals to this process, a limit on the size of files for a full disk, a folder without
permission. For SIGKILL the disk is copied at the moment of the kill, which is all that a killed
process leaves: its locks are the system's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import DATA, shell

import bayescannon as bc
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


COMMANDS = {
    "simulate": Command("simulate --kind mock --stars 3", "made"),
    "ingest": Command(f"ingest {APSTAR}", "spectra.zarr", goes_on=True),
    "continuum-pixels": Command(f"continuum-pixels --model {FOUR}", "pixels.txt"),
    "train": Command("train --spectra {store} --labels {labels} --recipe {recipe}", "model"),
    "crossval": Command(
        "crossval --spectra {store} --labels {labels} --recipe {recipe} --folds 2", "crossval"
    ),
    "infer": Command("infer {store} --model {model} --method laplace --draws 20", "post.zarr"),
    "ages": Command("ages {masses}", "ages.zarr"),
    "ages build-grid": Command("ages build-grid {labels}", "grid.zarr"),
    "ages systematics": Command("ages systematics", "shifts.ecsv"),
    "catalog of spectra": Command(
        "catalog {store} --model {model} --method importance --draws 20", "run", goes_on=True
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
    bc.write_catalog(bc.build_catalog(posterior), at["catalog"])
    return at


@pytest.fixture
def call(inputs, monkeypatch, tmp_path) -> Callable[..., int]:
    """Run a command in an empty folder; what takes minutes is replaced by something short."""
    import studies.calibration.command as calibration
    import studies.paper.command as paper
    from bayescannon.cli import ages, demo
    from studies.paper.item import Item

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ages, "build_grid", lambda *_: bc.Parsec.default())
    monkeypatch.setattr(ages, "interpolation_error", lambda *_: np.ones(3))
    monkeypatch.setattr(ages, "real_giants", lambda *_: None)
    monkeypatch.setattr(ages, "compare", lambda *_: None)
    monkeypatch.setattr(ages, "shifts", lambda *_: bc.apokasc()[:2]["star_id", "teff"])
    monkeypatch.setattr(demo, "training_progress", None)  # the demo ends here
    monkeypatch.setattr(demo, "make_apokasc", lambda *_: bc.make_mock(2, 0))
    monkeypatch.setattr(paper, "make_item", lambda *_: Item({}, "words " * 50, {"a": 1.0}))
    monkeypatch.setattr(calibration, "run_part", lambda *_: None)

    def run(name: str, out: Path | None = None, *more) -> int:
        command = COMMANDS[name]
        words = command.words.format(**inputs).split()
        return shell(monkeypatch, *words, "--out", out or tmp_path / command.out, *more)

    return run
