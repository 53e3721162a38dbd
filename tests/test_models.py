"""`models`, and the names of shipped models wherever a model or a recipe is asked for."""

import shutil

import numpy as np
import pytest
from conftest import run_cli

import bayescannon as bc
from bayescannon.data import model_path, shipped_models
from bayescannon.model import load

NAMES = ("apogee-dr12-four-label", "apokasc-abundances", "apokasc-age", "apokasc-mass")


def test_shipped_names_are_models_and_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        assert load(name).id == load(model_path(name)).id
        assert bc.Recipe.load(name).dumps() == load(name).recipe.dumps()
    assert bc.Model.load("apokasc-mass").name == "apokasc-mass"
    with pytest.raises(bc.UserError, match=r"no-such: no model here.*that ships: apogee-dr12"):
        bc.Model.load("no-such")
    with pytest.raises(bc.UserError, match="models by state: read them by"):
        bc.Model.load("apokasc-abundances")
    (tmp_path / "apokasc-mass").mkdir()  # what is there goes before what ships
    with pytest.raises(bc.UserError, match="no model here"):
        bc.Model.load("apokasc-mass")


def test_list_and_show(monkeypatch, capsys):
    assert run_cli(monkeypatch, "models", "list") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in shipped_models())
    assert "semi-synthetic" in listed
    assert run_cli(monkeypatch, "models", "show", "apokasc-mass") == 0
    shown = capsys.readouterr().out
    assert "Trained on SEMI-SYNTHETIC spectra" in shown
    assert f"id {bc.Model.load('apokasc-mass').id}" in shown


def test_check_accepts_whole_folders_and_refuses_others(tmp_path, monkeypatch, capsys):
    for name in NAMES:
        assert run_cli(monkeypatch, "models", "check", name) == 0
    for k, spoil in enumerate((_cut, _not_numbers)):
        folder = tmp_path / str(k)
        shutil.copytree(model_path("apogee-dr12-four-label"), folder)
        spoil(folder / "arrays.npz")
        capsys.readouterr()
        assert run_cli(monkeypatch, "models", "check", folder) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert str(folder) in said


def _cut(path):
    path.write_bytes(path.read_bytes()[:5000])


def _not_numbers(path):
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["coefficients"][100, 3] = np.nan
    np.savez(path, **arrays)
