"""Continuum normalisation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescannon import data
from bayescannon.continuum import design, fit_continuum, normalise
from bayescannon.spectra import chip_of, pixel_index_of_size

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


def test_the_continuum_does_not_depend_on_signal_to_noise():
    """Seed 9, exact noise-free fluxes off a polynomial: S/N 50 to 2000 shifts it by < 0.3 %.

    The weights of unlike pixels stay alike, so the compromise between them stays where it is.
    """
    wave = 1 + 0.02 * np.sin(np.arange(7214) / 300.0)[None]
    fits = [
        np.asarray(fit_continuum(wave, np.full((1, 7214), snr**2.0), CHIP, MASK))
        for snr in (50, 2000)
    ]
    assert np.abs(fits[0] / fits[1] - 1).max() < 0.003


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
