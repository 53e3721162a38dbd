"""Calibration of posteriors: laws first, then Monte Carlo with stated failure rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bayescannon import calibration as cal
from studies.calibration.formula import fit_formula

NUMBER = st.floats(-10, 10, allow_subnormal=False)
DRAWS = arrays(float, (19, 3), elements=NUMBER)
TRUTH = arrays(float, (3,), elements=NUMBER)
SOME = settings(max_examples=40, deadline=None)


def calibrated(n=4000, draws=199, seed=0, width=1.0):
    """Gaussian posteriors `width` times as wide as they should be: draws, truth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    middle = truth + 0.5 * rng.normal(size=n)
    return middle + width * 0.5 * rng.normal(size=(draws, n)), truth


# --- laws ----------------------------------------------------------------------------------------


@SOME
@given(DRAWS, TRUTH)
def test_pit_keeps_under_monotone_maps_and_turns_with_the_sign(draws, truth):
    pit = cal.pit_of_draws(draws, truth)
    assert ((pit > 0) & (pit < 1)).all()
    np.testing.assert_array_equal(cal.pit_of_draws(4 * draws, 4 * truth), pit)
    untied = (draws != truth).all(axis=0)
    np.testing.assert_allclose(cal.pit_of_draws(-draws, -truth)[untied], 1 - pit[untied])


@SOME
@given(DRAWS, TRUTH, st.floats(-5, 5), st.floats(0.1, 10))
def test_scores_move_and_scale_with_the_unit(draws, truth, shift, scale):
    score = cal.crps(draws, truth)
    np.testing.assert_allclose(cal.crps(draws + shift, truth + shift), score, atol=1e-9)
    np.testing.assert_allclose(cal.crps(scale * draws, scale * truth), scale * score, atol=1e-9)
    mean, sd = draws.mean(axis=0), np.ones(3)
    np.testing.assert_allclose(
        cal.crps_normal(scale * mean, scale * sd, scale * truth),
        scale * cal.crps_normal(mean, sd, truth),
        atol=1e-9,
    )


@SOME
@given(arrays(float, (50,), elements=st.floats(0.001, 0.999)))
def test_coverage_grows_with_the_interval(pit):
    held = cal.coverage(pit, np.linspace(0, 1, 11))
    assert (np.diff(held) >= 0).all()
    assert held[-1] == 1


@SOME
@given(arrays(float, (200,), elements=st.floats(0.001, 0.999)))
def test_a_pit_map_is_monotone_and_onto(pit):
    knots = cal.fit_pit_map(pit)
    mapped = cal.recalibrate_pit(np.linspace(0, 1, 101), knots)
    assert (np.diff(mapped) >= 0).all()
    assert (mapped[-1], knots[0], knots[-1]) == (1.0, 0.0, 1.0)


@SOME
@given(DRAWS, arrays(float, (3,), elements=st.floats(0.2, 5)))
def test_inflation_widens_about_the_mean(draws, factor):
    wide = cal.inflate(draws, factor)
    np.testing.assert_allclose(wide.mean(axis=0), draws.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(wide.std(axis=0), factor * draws.std(axis=0), atol=1e-9)


def test_bins_hold_equal_numbers_or_one_value_each():
    pit, x = np.linspace(0.01, 0.99, 103), np.arange(103.0)
    binned = cal.binned_coverage(pit, x, 10)
    assert binned.count.sum() == 103
    assert np.ptp(binned.count) <= 1
    assert (np.diff(binned.middle) > 0).all()
    state = cal.binned_coverage(pit, np.r_[np.zeros(50), np.ones(50), [np.nan] * 3], 10)
    assert state.count.tolist() == [50, 50]
    assert cal.binned_coverage(pit[:0], x[:0], 10).count.size == 0


def test_unknown_stars_have_no_pit():
    draws = np.ones((9, 3))
    draws[0, 1] = np.nan
    pit = cal.pit_of_draws(draws, np.array([0.0, 0.0, np.nan]))
    assert np.isfinite(pit).tolist() == [True, False, False]


def test_ranks_see_width_and_bias():
    """Seed 0, 4,000 stars: calibrated ranks pass (fails 1 in 100), others of 20 % do not (0)."""
    for width, passes in ((1.0, True), (0.8, False), (1.25, False)):
        draws, truth = calibrated(width=width)
        found = cal.judge_ranks(cal.ranks(truth[:, None], draws[..., None]))
        assert found.passed == passes
    draws, truth = calibrated()
    assert not cal.judge_ranks(cal.ranks(truth[:, None] + 0.1, draws[..., None])).passed


# --- Monte Carlo ---------------------------------------------------------------------------------


def test_draws_score_as_their_density_does():
    """Seed 1, 4,000 Gaussian stars, 199 draws: both scores within 1 % (fails below 1 in 10^6)."""
    draws, truth = calibrated(seed=1)
    rng = np.random.default_rng(2)
    middle = truth + 0.5 * rng.normal(size=truth.size)
    draws = middle + 0.5 * rng.normal(size=draws.shape)
    half = np.full(truth.size, 0.5)
    assert cal.crps(draws, truth).mean() == pytest.approx(
        cal.crps_normal(middle, half, truth).mean(), rel=0.01
    )
    exact = cal.log_score_normal(middle, half, truth).mean()
    assert cal.log_score(draws, truth).mean() == pytest.approx(exact, abs=0.02)
    wide = cal.log_score_normal(middle, np.hypot(half, 0.4), truth).mean()
    assert cal.log_score(draws, truth, np.full(truth.size, 0.4)).mean() == pytest.approx(
        wide, abs=0.02
    )


def test_convolved_posteriors_hold_noisy_values():
    """Seed 3, 20,000 stars: coverage within four binomial errors (fails 1 in 4,000)."""
    draws, truth = calibrated(20_000, seed=3)
    error = np.random.default_rng(4).uniform(0.2, 0.8, truth.size)
    seen = truth + error * np.random.default_rng(5).normal(size=truth.size)
    held = cal.coverage(cal.pit_of_draws(cal.convolve(draws, error), seen), cal.LEVELS)
    limit = 4 * cal.binomial_error(cal.LEVELS, truth.size)
    assert (np.abs(held - cal.LEVELS) < limit).all()
    blind = cal.coverage(cal.pit_of_draws(draws, seen), cal.LEVELS)
    assert (blind < cal.LEVELS - 0.1).all()


def test_inflation_finds_what_was_wrong():
    """Seed 6, 20,000 stars: the factor within 10 % at any S/N and state (fails below 1 in 10^4)."""
    rng = np.random.default_rng(6)
    n = 20_000
    snr, p_rc = np.exp(rng.uniform(np.log(20), np.log(400), n)), rng.uniform(size=n)
    design = cal.inflation_design(snr, p_rc)
    right = np.exp(design @ [0.2, 0.1, 0.0, 0.3])
    error = rng.uniform(0.0, 0.5, n)
    off = np.hypot(right, error) * rng.normal(size=n)
    found = cal.fit_inflation(off, np.ones(n), design, error).factor(design)
    assert np.abs(found / right - 1).max() < 0.1
    assert np.abs(found / right - 1).mean() < 0.02


def test_a_pit_map_mends_other_stars():
    """Seed 7, two halves of 4,000 stars, posteriors 30 % too narrow: misses below 3 points."""
    draws, truth = calibrated(8000, seed=7, width=0.7)
    pit = cal.pit_of_draws(draws, truth)
    before = cal.coverage(pit[4000:], cal.LEVELS) - cal.LEVELS
    mapped = cal.recalibrate_pit(pit[4000:], cal.fit_pit_map(pit[:4000]))
    after = cal.coverage(mapped, cal.LEVELS) - cal.LEVELS
    assert before.min() < -0.1
    assert np.abs(after).max() < 0.03


def test_a_formula_recovers_a_quadratic_and_its_scatter():
    """Seed 8: 5,000 stars; the scatter within four Monte Carlo errors (fails 1 in 10^4)."""
    rng = np.random.default_rng(8)
    x = rng.normal([4700.0, 2.5], [150.0, 0.4], (5000, 2))
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    target = z[:, 0] - 0.5 * z[:, 1] ** 2 + np.hypot(0.1, 0.2) * rng.normal(size=5000)
    formula = fit_formula(x, target, 0.2)
    assert formula.sd == pytest.approx(0.1, rel=0.1)
    assert np.std(formula.predict(x) - z[:, 0] + 0.5 * z[:, 1] ** 2) < 0.02
    blind = fit_formula(x, np.where(rng.uniform(size=5000) < 0.1, np.nan, target))
    assert blind.sd == pytest.approx(np.hypot(0.1, 0.2), rel=4 / np.sqrt(2 * 4500))


def test_a_gain_is_in_standard_errors():
    theirs = np.array([2.0, 3.0, 4.0, np.nan])
    gain = cal.compare(np.ones(4), theirs)
    assert gain.mean == pytest.approx(2.0)
    assert gain.in_errors == pytest.approx(2.0 / (1 / np.sqrt(3)))
