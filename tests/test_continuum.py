"""Continuum normalisation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayescannon as bc
from bayescannon import data
from bayescannon.spectra import chip_of, pixel_index_of_size
from bayescannon.spectra.continuum import (
    continuum_factors,
    design,
    find_continuum,
    fit_continuum,
    normalise,
    solve_continuum,
)

INDEX = pixel_index_of_size(7214)
CHIP = chip_of(INDEX)
MASK = np.isin(INDEX, data.continuum_pixels())


@pytest.fixture(scope="module")
def star():
    """Lines on a smooth continuum, S/N 100, every seventh pixel missing (seed 6)."""
    rng = np.random.default_rng(6)
    lines = np.where(MASK, 1.0, rng.uniform(0.5, 1.0, MASK.size))
    level = design(CHIP) @ rng.normal([3.0, 0.5, -0.2] * 3, 0.1)
    ivar = np.where(np.arange(MASK.size) % 7 == 0, 0.0, (100 / level) ** 2)
    return (lines * level)[None], ivar[None], level[None], lines[None]


def _normalise(flux, ivar):
    return (np.asarray(a) for a in normalise(flux, ivar, CHIP, MASK))


def test_columns_live_on_one_detector_each():
    basis = design(CHIP, 2)
    assert basis.shape == (7214, 9)
    for column in range(9):
        assert set(CHIP[basis[:, column] != 0]) == {column // 3}
    np.testing.assert_array_equal(basis[:, ::3].sum(axis=1), 1.0)
    assert np.abs(basis).max() == 1.0


def test_a_polynomial_continuum_is_found_exactly(star):
    flux, ivar, level, lines = star
    np.testing.assert_allclose(fit_continuum(flux, ivar, CHIP, MASK), level, rtol=1e-7)
    flat, weight = _normalise(flux, ivar)
    np.testing.assert_allclose(flat, np.where(ivar > 0, lines, 0.0), rtol=1e-7)
    np.testing.assert_allclose(weight, ivar * level**2, rtol=1e-7)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.floats(1e-20, 1e20))
def test_the_unit_of_flux_does_not_matter(star, factor):
    flux, ivar, _, _ = star
    one, two = normalise(flux, ivar, CHIP, MASK)
    scaled = normalise(flux * factor, ivar / factor**2, CHIP, MASK)
    np.testing.assert_allclose(scaled[0], one, rtol=1e-9)
    np.testing.assert_allclose(scaled[1], two, rtol=1e-9)


def test_the_continuum_does_not_depend_on_signal_to_noise(four_label):
    """Each detector's mean continuum, over 200 draws, moves by < 0.1 % from S/N 20 to 200.

    A giant's noiseless flux under a sloped continuum; common random numbers (seed 9). The Monte
    Carlo error of the difference is 0.05 / sqrt(110 pixels x 200 draws) = 0.03 % at S/N 20: one
    seed in a thousand would fail if nothing moved.
    """
    rng = np.random.default_rng(9)
    flux = four_label.predict(np.array([4700.0, 2.5, 0.0, 0.05]))[0]
    flux = np.where(np.isfinite(flux), flux, 1.0) * (200 + 30 * design(CHIP)[:, 1::3].sum(axis=1))
    sigma = flux * rng.uniform(0.5, 2.0, flux.size)  # errors differ from pixel to pixel
    noise = rng.normal(size=(200, flux.size))
    means = []
    for snr in (20, 50, 100, 200):
        ivar = np.broadcast_to((snr / sigma) ** 2, noise.shape)
        fit = np.asarray(fit_continuum(flux + noise * sigma / snr, ivar, CHIP, MASK))
        means.append([fit[:, chip == CHIP].mean() for chip in range(3)])
    moved = np.ptp(means, axis=0) / np.mean(means, axis=0)
    assert (moved < 1e-3).all(), moved


def test_the_covariance_of_the_fit_is_that_of_repeated_fits(star):
    """300 draws, seed 8: variances of coefficients within 5 Monte Carlo sd; factors make pixels."""
    flux, ivar, level, _ = star
    rng = np.random.default_rng(8)
    noise = np.where(ivar > 0, rng.normal(size=(300, 7214)) / np.sqrt(np.maximum(ivar, 1e-9)), 0.0)
    many = solve_continuum(flux + noise, np.repeat(ivar, 300, axis=0), CHIP, MASK)
    one = solve_continuum(flux, ivar, CHIP, MASK)
    quoted = np.diagonal(one.covariance[0])
    found = np.var(np.asarray(many.coefficients), axis=0, ddof=1)
    assert (np.abs(found / quoted - 1) < 5 * np.sqrt(2 / 299)).all()
    factors = np.asarray(continuum_factors(one.coefficients[0], one.covariance[0], CHIP))
    fits = np.asarray(fit_continuum(flux + noise, np.repeat(ivar, 300, axis=0), CHIP, MASK))
    ratio = np.std(fits / level, axis=0, ddof=1) / np.sqrt((factors**2).sum(axis=1))
    assert (np.abs(ratio - 1) < 0.25).all()
    dead = ivar.copy()
    dead[:, CHIP == 1] = 0.0
    fit = solve_continuum(flux, dead, CHIP, MASK)
    factors = np.asarray(continuum_factors(fit.coefficients[0], fit.covariance[0], CHIP))
    assert np.isfinite(factors).all()
    assert (factors[CHIP == 1] == 0).all()
    assert (factors[CHIP == 0] != 0).any(axis=1).all()


def test_continuum_pixels_found_from_a_first_model(four_label, giants):
    """Near one, flattest, in every part of a detector; they normalise as a published list does."""
    theta = np.array(four_label.coefficients)
    found = find_continuum(theta[:, 0], theta[:, 1:5], CHIP, four_label.usable)
    assert 200 < found.sum() < 0.08 * found.size
    assert (np.abs(theta[found, 0] - 1) < 0.015).all()
    steep = np.abs(theta[:, 1:5]).max(axis=1)
    assert np.median(steep[found]) < 0.5 * np.median(steep)
    assert all((found & (chip == CHIP)).sum() > 40 for chip in range(3))
    index = pixel_index_of_size(7214)
    published = np.isin(index, data.continuum_pixels("the_payne"))
    flux, ivar = giants.arrays()
    one, two = (np.asarray(fit_continuum(flux[:1], ivar[:1], CHIP, m)) for m in (found, published))
    assert np.abs(one / two - 1).max() < 0.02
    nothing = find_continuum(np.zeros(7214), theta[:, 1:5], CHIP, four_label.usable)
    assert not nothing.any()


def test_a_list_of_continuum_pixels_may_be_a_file(tmp_path):
    (tmp_path / "mine.txt").write_text("5\n17\n8574\n")
    np.testing.assert_array_equal(data.continuum_pixels(str(tmp_path / "mine.txt")), [5, 17, 8574])
    (tmp_path / "bad.txt").write_text("5\n8575\n")
    for name, why in (
        ("bad.txt", "0 to 8574"),
        ("none.txt", "neither a file nor"),
    ):
        with pytest.raises(bc.UserError, match=why):
            data.continuum_pixels(str(tmp_path / name))


def test_missing_pixels_and_negative_flux_do_not_pull(star):
    flux, ivar, level, _ = (a.copy() for a in star)
    flux[ivar == 0] = np.nan
    flux[0, np.flatnonzero(MASK)[5]] = -1e3
    np.testing.assert_allclose(fit_continuum(flux, ivar, CHIP, MASK), level, rtol=1e-7)
    flat, weight = _normalise(flux, ivar)
    assert np.isfinite(flat).all()
    assert (weight[ivar == 0] == 0).all()


def test_a_dead_detector_does_not_spoil_the_others(star):
    flux, ivar, level, _ = star
    dead = ivar.copy()
    dead[:, CHIP == 1] = 0.0
    few = ivar.copy()
    few[0, np.flatnonzero(MASK & (CHIP == 1))[2:]] = 0.0
    for these in (dead, few):
        found = np.asarray(fit_continuum(flux, these, CHIP, MASK))
        assert np.isnan(found[:, CHIP == 1]).all()
        np.testing.assert_allclose(found[:, CHIP != 1], level[:, CHIP != 1], rtol=1e-7)
        flat, weight = _normalise(flux, these)
        assert np.isfinite(flat).all()
        assert (weight[:, CHIP == 1] == 0).all()


def test_stars_do_not_touch_each_other(star):
    flux, ivar, _, _ = star
    two = np.concatenate([flux, np.zeros_like(flux)])
    both = normalise(two, np.concatenate([ivar, 0 * ivar]), CHIP, MASK)
    alone = normalise(flux, ivar, CHIP, MASK)
    np.testing.assert_allclose(both[0][0], alone[0][0], rtol=1e-12)
    assert (np.asarray(both[1][1]) == 0).all()


def test_a_continuum_below_zero_is_no_measurement(star):
    """A parabola through pixels that fall steeply can cross zero at the end of a detector."""
    _, ivar, _, _ = star
    x = design(CHIP)[:, 1::3].sum(axis=1)
    slope = (0.5 - x)[None]
    flat, weight = _normalise(slope, np.where(slope > 0, 1e4, 0.0) + 0 * ivar)
    assert (weight[slope <= 0] == 0).all()
    np.testing.assert_allclose(flat[slope > 0.05], 1.0, rtol=1e-6)
