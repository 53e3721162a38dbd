"""Certificates: what is judged, when they pass, where they are shown."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from conftest import run_cli

import bayescannon as bc
from bayescannon.calibration import LEVELS, NO_CERTIFICATE, Certificate, hold
from bayescannon.model.by_state import StateModels
from bayescannon.validation import check_folds


def certificate(width=1.0, n=1000, seed=0, scale=1.0, **about) -> Certificate:
    """Of Gaussian posteriors of two labels whose widths are off by a factor; every row S/N 100."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 2))
    mean = truth + rng.normal(size=(n, 2))
    draws = mean + width * rng.normal(size=(199, n, 2))
    nothing, snr = np.zeros((n, 2)), np.linspace(50, 150, n)
    labels, bins = hold(("a", "b"), truth, draws, nothing, nothing + np.inf, {"snr": snr})
    return Certificate(labels, bins, n, {"a": scale, "b": 1.0}, 5, **about)


def test_calibrated_posteriors_pass_and_others_fail():
    """40 certificates of calibrated posteriors: at most 3 may fail (more: 1 in 10^3)."""
    assert sum(not certificate(seed=seed).passed for seed in range(40)) <= 3
    for width in (0.8, 1.25):
        failed = certificate(width)
        assert not failed.passed
        assert failed.verdict.startswith("FAILED: 68 % intervals held ")
    assert "held 57 +- 2 % of 1000 stars in 5 folds" in certificate(0.8).verdict


def test_a_certificate_tells_what_was_judged():
    told = certificate(stride=5, semi_synthetic=True)
    share = 100 * np.mean([held.coverage[1] for held in told.labels.values()])
    assert told.verdict == (
        f"68 % intervals held {share:.0f} +- 1 % of 1000 semi-synthetic stars in 5 folds, "
        "1 pixel in 5"
    )
    held = told.labels["a"]
    assert sum(held.pit) == held.stars == 1000
    assert held.ks < held.ks_limit
    assert abs(held.z - 1) < 0.1
    np.testing.assert_allclose(held.coverage, LEVELS, atol=0.06)
    assert [h.stars for h in told.bins["snr"]["a"]] == [250] * 4
    assert told.bins["snr"]["b"][0].range == (50.0, pytest.approx(75, abs=0.1))
    assert Certificate.from_json(told.to_json()) == told
    assert json.loads(told.to_json())["verdict"] == told.verdict
    assert told.verdict.isascii()  # FITS headers take nothing else


def test_too_few_stars_are_not_certified():
    few = certificate(n=20)
    assert not few.passed
    assert "only 20 stars" in few.verdict


def test_errors_beyond_what_the_catalogue_states_certify_nothing():
    """Posteriors hold as they should only if the catalogue errs more than it says: not shown."""
    assert certificate(scale=1.5).passed
    wide = certificate(scale=6.4)
    assert not wide.passed
    assert wide.verdict.startswith("FAILED: 68 % intervals held ")
    assert wide.verdict.endswith("with errors of a 6.4 times as large as stated")


@pytest.fixture(scope="module")
def certified(scenario) -> bc.Model:
    """The small scenario's model, its labels marked as simulated, judged on every second pixel."""
    labels = scenario.labels.copy()
    labels.meta["comment"] = "semi-synthetic: made by bayescannon, not observed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bayescannon.validation.certificate.MOST_PIXELS", 40)
        return bc.train(scenario.spectra, labels, scenario.recipe, certificate=True)


def test_a_certificate_travels_with_its_model(scenario, certified, tmp_path):
    assert certified.certificate is not None
    verdict = certified.certificate.verdict
    assert "of 200 semi-synthetic stars in 5 folds, 1 pixel in 2" in verdict
    assert set(certified.certificate.bins) == {"snr", "logg", "feh"}
    assert certified.id == scenario.model.id
    assert scenario.model.certificate is None
    assert NO_CERTIFICATE in scenario.model.card
    assert verdict in certified.card
    assert NO_CERTIFICATE not in certified.card
    certified.save(tmp_path / "model")
    back = bc.Model.load(tmp_path / "model")
    assert back.certificate == certified.certificate
    for model, line in ((certified, verdict), (scenario.model, NO_CERTIFICATE)):
        post = bc.infer(model, scenario.spectra[:4], method="laplace", draws=8)
        assert post.attrs["certificate"] == line
        assert bc.build_catalog(post).meta["post_certificate"] == line
        table = bc.run_catalog(model, scenario.spectra[:4], tmp_path / model.id / line[:2], draws=8)
        assert table.meta["run"]["certificate"] == line


def test_models_by_state_keep_a_certificate(certified, tmp_path):
    odds = (np.zeros(3), np.ones(3), np.zeros(10))
    both = StateModels(certified, certified, *odds, certificate=certificate())
    both.save(tmp_path / "both")
    assert StateModels.load(tmp_path / "both").certificate == certificate()
    replace(both, certificate=None).save(tmp_path / "both", overwrite=True)
    assert StateModels.load(tmp_path / "both").certificate is None


def test_folds_that_are_too_small_are_refused_before_training(scenario, tmp_path, monkeypatch):
    few = scenario.labels[:17]
    with pytest.raises(bc.UserError, match="17 stars have all labels: 5 folds leave 13"):
        check_folds(few, scenario.recipe, few["star_id"], 5)
    scenario.spectra[:17].save(tmp_path / "spectra.zarr")
    few.write(tmp_path / "labels.ecsv")
    (tmp_path / "recipe.toml").write_text(scenario.recipe.dumps())
    given = [x for k in ("spectra.zarr", "labels.ecsv", "recipe.toml") for x in (tmp_path / k,)]
    words = ("train", "--spectra", given[0], "--labels", given[1], "--recipe", given[2])
    assert run_cli(monkeypatch, *words, "--out", tmp_path / "model") == 2
    assert not (tmp_path / "model").exists()
    assert run_cli(monkeypatch, *words, "--out", tmp_path / "model", "--no-certificate") == 0
    assert bc.Model.load(tmp_path / "model").certificate is None


def test_the_command_line_certifies_and_shows_the_verdict(scenario, tmp_path, monkeypatch, capsys):
    scenario.spectra.save(tmp_path / "spectra.zarr")
    Table(scenario.labels).write(tmp_path / "labels.ecsv")
    (tmp_path / "recipe.toml").write_text(scenario.recipe.dumps())
    words = ("--spectra", tmp_path / "spectra.zarr", "--labels", tmp_path / "labels.ecsv")
    model = tmp_path / "model"
    code = run_cli(
        monkeypatch, "train", *words, "--recipe", tmp_path / "recipe.toml", "--out", model
    )
    assert code == 0
    found = bc.Model.load(model).certificate
    assert found is not None
    assert found.verdict in " ".join(capsys.readouterr().out.split())
    post = ("--model", model, "--draws", 20, "--method", "laplace")
    out = tmp_path / "posteriors.zarr"
    assert run_cli(monkeypatch, "infer", tmp_path / "spectra.zarr", *post, "--out", out) == 0
    assert found.verdict in " ".join(capsys.readouterr().out.split())
    assert run_cli(monkeypatch, "catalog", out, "--out", tmp_path / "catalog.ecsv") == 0
    assert found.verdict in " ".join(capsys.readouterr().out.split())
