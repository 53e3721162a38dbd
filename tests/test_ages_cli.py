"""`bayescannon ages` and its sub-commands."""

import numpy as np
import pytest
from typer.testing import CliRunner

from bayescannon.cli.app import app
from bayescannon.errors import UserError
from bayescannon.posterior import open_posterior
from bayescannon.posterior.result import as_posterior


@pytest.fixture
def posteriors(tmp_path):
    draws = np.random.default_rng(0).normal(size=(1, 50, 3))
    tree = as_posterior({"ln_mass": 0.2 + 0.1 * draws, "feh": 0.05 * draws}, ["a", "b", "c"])
    tree.to_zarr(tmp_path / "posteriors.zarr", consolidated=False)
    return tmp_path / "posteriors.zarr"


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def test_the_short_form_takes_options_on_both_sides(posteriors, tmp_path):
    options = ("--prior", "flat-log-age", "--seed", 3)
    for i, words in enumerate(((*options, posteriors), (posteriors, *options))):
        out = tmp_path / f"ages{i}.zarr"
        assert run("ages", *words, "--out", out).exit_code == 0
        ages = open_posterior(out)
        assert ages.attrs["prior"] == "flat-log-age"
        assert ages["posterior"]["age"].shape == (1, 50, 3)
    assert run("ages", "infer", posteriors, "--out", tmp_path / "long.zarr").exit_code == 0


def test_help_names_the_commands_and_the_short_form():
    text = run("ages", "--help").output
    for words in ("build-grid", "systematics", "self-check", "is short for"):
        assert words in text


def test_what_the_user_can_mend_is_one_line(posteriors, tmp_path):
    for words, message in (
        (("ages", posteriors, "--prior", "flat"), "prior 'flat' is unknown"),
        (("ages", posteriors, "--grid", tmp_path / "none"), "no isochrone grid"),
        (("ages", "build-grid", posteriors, "--out", tmp_path / "g.zarr"), "cannot be read"),
    ):
        with pytest.raises(UserError, match=message):
            run(*words)
