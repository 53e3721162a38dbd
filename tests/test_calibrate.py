"""`bayescannon calibrate` on a tiny size, its words, and what it hands to the user."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import bayescannon as bc
from bayescannon.calibration import ks_distance, z_width
from bayescannon.cli import app
from bayescannon.data import model_path
from bayescannon.simulate import Scenario
from studies.calibration import baselines, runner
from studies.calibration.checks import (
    AGE,
    EXACT,
    figures_of,
    limits_of,
    misses,
    pit_recalibrated,
    warnings_of,
    worst_bin,
)
from studies.calibration.command import run
from studies.calibration.sample import LABELS, Sample, join
from studies.calibration.scenarios import Size, mass_from_age, recipe

TINY = Size(training=300, known=100, test=80, folds=2, stride=12)


def simulated_sample(n=4000, seed=0, width=1.0, error=0.0):
    """Gaussian posteriors of one quantity, `width` times as wide as they should be."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 1))
    mean = truth + 0.5 * rng.normal(size=(n, 1))
    sd = np.full((n, 1), 0.5 * width)
    flags = (np.abs(mean - truth)[:, 0] > 3 * sd[:, 0]).astype(int)
    return Sample(
        names=np.array(["ln_mass"]),
        truth=truth + error * rng.normal(size=(n, 1)),
        error=np.full((n, 1), error),
        degrees=np.full((n, 1), np.inf),
        mean=mean,
        sd=sd,
        draws=(mean + sd * rng.normal(size=(199, n, 1))).astype(np.float32),
        labels=np.column_stack([rng.normal(size=(n, 4)), mean]),
        snr=np.exp(rng.uniform(np.log(20), np.log(400), n)),
        p_rc=rng.uniform(size=n),
        chi2_red=np.abs(mean - truth)[:, 0],
        distance=rng.uniform(size=n),
        flags=flags,
        half=np.arange(n) % 2,
    )


# --- from samples to words -----------------------------------------------------------------------


def test_calibrated_posteriors_meet_every_demand():
    """Seed 0, 4,000 stars, ranks and bins included: fails 3 times in 100."""
    figures = figures_of(simulated_sample(), ranked=True)["ln_mass"]
    assert misses(figures, EXACT) == []


@pytest.mark.parametrize(("width", "word"), [(0.7, "too narrow"), (1.4, "too wide")])
def test_wrong_widths_are_named_and_mended(width, word):
    """Seed 0, 4,000 stars: misses of 10 points and more; after it, within 3 errors (1 in 100)."""
    sample = simulated_sample(width=width)
    said = "; ".join(misses(figures_of(sample, ranked=True)["ln_mass"], EXACT))
    assert word in said
    assert "ranks are not uniform" in said
    wide, coefficients = sample.inflated()
    np.testing.assert_allclose(np.exp(np.array(coefficients["ln_mass"])[:, 0]), 1 / width, rtol=0.1)
    assert misses(figures_of(wide, ranked=False)["ln_mass"], AGE) == []
    np.testing.assert_allclose(pit_recalibrated(sample)["ln_mass"][1], 0.68, atol=0.025)


def test_errors_with_tails_are_convolved_as_such():
    """Seed 3, 4,000 stars, Student errors (5): KS under 0.0258 but for 1 in 100; as Gaussian ones
    of the same sd they fail by more than twice that."""
    rng, sample = np.random.default_rng(3), simulated_sample(seed=3)
    error = np.full(sample.truth.shape, 2.0)
    catalogue = sample.truth + error * np.sqrt(3 / 5) * rng.standard_t(5, error.shape)
    for degrees, least, most in ((5.0, 0.0, 0.0258), (np.inf, 0.03, 1.0)):
        law = np.full(error.shape, degrees)
        judged = replace(sample, truth=catalogue, error=error, degrees=law)
        assert least < ks_distance(judged.pit()[:, 0]) < most
        assert z_width(judged.off[:, 0], judged.whole_sd[:, 0]) == pytest.approx(1, abs=0.06)


def test_a_sample_of_another_version_is_one_clear_line(tmp_path):
    # Regression: samples had no degrees of freedom once, and loading one was a bare KeyError.
    path = tmp_path / "labels.npz"
    simulated_sample(n=4).save(path)
    with np.load(path) as stored:
        older = {name: stored[name] for name in stored.files if name != "degrees"}
    np.savez(path, **older)
    with pytest.raises(bc.UserError, match=r"labels.npz: lacks degrees: .* remove"):
        Sample.load(path)


def test_label_errors_are_convolved_and_not_inflated():
    """Seed 1: judged against noisy values, calibrated posteriors hold and stay as they are."""
    sample = simulated_sample(seed=1, error=0.8)
    figures = figures_of(sample, ranked=False)["ln_mass"]
    assert misses(figures, limits_of("quadratic", "ln_age")) == []
    wide, _ = sample.inflated()
    assert np.median(wide.sd / sample.sd) == pytest.approx(1.0, abs=0.08)


def test_bins_of_the_truth_fail_where_bins_of_the_observed_hold():
    """Seed 2, 8,000 stars under their own prior: the exact posterior N(x/2, 1/2) of N(0, 1)."""
    rng = np.random.default_rng(2)
    truth = rng.normal(size=8000)
    seen = truth + rng.normal(size=8000)
    draws = seen / 2 + np.sqrt(0.5) * rng.normal(size=(199, 8000))
    pit = bc.calibration.pit_of_draws(draws, truth)
    held = [bc.calibration.binned_coverage(pit, by, 10).coverage[:, 1] for by in (seen, truth)]
    assert np.abs(held[0] - 0.68).max() < 0.06
    assert np.abs(held[1] - 0.68).max() > 0.25


def test_flags_are_compared_with_what_went_wrong():
    warned = warnings_of(simulated_sample(width=0.7))
    assert warned["bad"] > 0.02
    assert warned["bad_flagged"] == 1.0
    assert warned["good_flagged"] == 0.0
    bad = warned["deciles"]["chi2"]["bad"]
    assert bad[-1] == pytest.approx(10 * warned["bad"], rel=0.01)
    assert sum(bad[:-1]) == 0.0


def test_few_stars_are_not_asked_for_more_than_they_can_show():
    figures = figures_of(simulated_sample(n=100), ranked=False)["ln_mass"]
    assert misses(figures, EXACT._replace(uniform=False)) == []
    assert worst_bin(figures, least=1500) is None


def test_samples_come_back_from_disk(tmp_path):
    sample = simulated_sample(n=20)
    sample.save(tmp_path / "s.npz")
    both = join([Sample.load(tmp_path / "s.npz"), sample])
    assert both.draws.shape == (199, 40, 1)
    np.testing.assert_array_equal(both.truth[:20], both.truth[20:])


# --- scenarios -----------------------------------------------------------------------------------


def test_scenarios_differ_in_what_they_say():
    plain = bc.make_mock(40, 5)
    small = bc.make_mock(40, 5, Scenario(quoted=0.8))
    curved = bc.make_mock(40, 5, Scenario(curved=True))
    np.testing.assert_array_equal(plain.spectra.arrays()[0], small.spectra.arrays()[0])
    good = plain.spectra.arrays()[1] > 0
    ratio = small.spectra.arrays()[1][good] / plain.spectra.arrays()[1][good]
    np.testing.assert_allclose(ratio, 0.8**-2, rtol=1e-5)
    bent = (curved.spectra.arrays()[0] - plain.spectra.arrays()[0])[good]
    assert 0.001 < np.std(bent) < 0.1
    massive, old = (bc.make_mock(200, 5, Scenario(preference=p)).truth for p in (1.0, -1.0))
    for name in ("feh", "ln_mass"):
        # one standard deviation apart at least; 200 stars know a mean to 0.07
        apart = np.mean(massive[name]) - np.mean(old[name])
        assert apart > 0.7 * np.std(plain.truth[name])


def test_masses_follow_from_ages_and_abundances_from_masses():
    aged = bc.make_mock(300, 6, Scenario(age=mass_from_age)).truth
    for state, sign in (("RGB", -1), ("RC", -1)):
        here = aged["state"] == state
        rank = np.corrcoef(np.asarray(aged["ln_age"])[here], np.asarray(aged["ln_mass"])[here])
        assert sign * rank[0, 1] > 0.8
    assert (np.exp(aged["ln_age"]) <= 13.8 * 1.001).all()
    nitrogen = np.corrcoef(aged["n_m"], aged["ln_mass"])[0, 1]
    assert nitrogen > 0.3


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    # every training set has 300 stars and four factors: one compiled program serves them all
    def few(seed):
        made = bc.make_apokasc(seed)
        return made._replace(
            spectra=made.spectra[:600], labels=made.labels[:600], truth=made.truth[:600]
        )

    def small(plain=False):
        full = recipe(plain)
        return replace(full, training=replace(full.training, factors=4))

    out = tmp_path_factory.mktemp("calibrate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "make_apokasc", few)
        patch.setattr(runner, "recipe", small)
        return out, run(out, TINY, 0, ["known", "apokasc", "errors-small-new"])


def test_the_report_has_every_scenario_and_says_that_it_is_semi_synthetic(report):
    out, scenarios = report
    assert list(scenarios) == ["known", "apokasc", "errors-small-new"]
    written = json.loads((out / "report.json").read_text())["scenarios"]
    assert set(written["known"]["quantities"]) == {*LABELS, "ln_age"}
    assert set(written["apokasc"]["quantities"]) == set(LABELS)
    assert set(written["errors-small-new"]["scores"]) == {"ours", *baselines.BASELINES}
    html = (out / "report.html").read_text()
    assert json.loads((out / "report.json").read_text())["quick"] is True
    assert "semi-synthetic" in html
    assert html.count("data:image/png") == 2 * 6 + 5
    told = re.findall('<img alt="([^"]+)"', html)
    assert len(set(told)) == 2 * 6 + 5  # each picture says what it shows
    assert "Quick run, too small to judge by: 300 training stars" in html
    for found in written.values():
        assert found["words"][0].startswith("Holds: ")
        assert all(len(q["before"]["coverage"]) == 4 for q in found["quantities"].values())


def test_what_is_done_is_not_done_again(report, monkeypatch):
    out, scenarios = report
    for name in ("run_known", "run_trained", "cross_validate", "train"):
        monkeypatch.setattr(runner, name, lambda *a, **k: pytest.fail("made again"))
    again = run(out, TINY, 0, ["known"])
    assert again["apokasc"]["quantities"] == scenarios["apokasc"]["quantities"]


def test_an_unknown_scenario_is_one_clear_line(tmp_path):
    result = CliRunner().invoke(
        app, ["calibrate", "--out", str(tmp_path), "--scenario", "flat-earth"]
    )
    assert isinstance(result.exception, bc.UserError)
    assert "flat-earth" in str(result.exception)


def test_inflation_is_off_unless_asked_for_and_then_recorded():
    mock = bc.make_mock(6, 3)
    model = bc.Model.load(model_path("apokasc-mass"))
    post = bc.infer(model, mock.spectra, "laplace", draws=50)
    assert "inflation" not in post.attrs
    wide = bc.recalibrate(post, {"ln_mass": [np.log(2), 0, 0, 0]}, np.full(6, 100.0))
    for name, factor in (("ln_mass", 2.0), ("teff", 1.0)):
        sds = (p["posterior"][name].values.std(axis=1) for p in (wide, post))
        np.testing.assert_allclose(np.divide(*sds), factor)
    cov, old = (p["point"]["cov"].values for p in (wide, post))
    np.testing.assert_allclose(cov[:, -1, -1], 4 * old[:, -1, -1])
    np.testing.assert_allclose(cov[:, 0, -1], 2 * old[:, 0, -1])
    assert json.loads(wide.attrs["inflation"]) == {"ln_mass": [np.log(2), 0, 0, 0]}
    with pytest.raises(bc.UserError, match="recalibrated already"):
        bc.recalibrate(wide, {}, np.ones(6))
    with pytest.raises(bc.UserError, match="no label ln_age"):
        bc.recalibrate(post, {"ln_age": [0, 0, 0, 0]}, np.ones(6))
