"""Simulated data: reproducible, independent of order, and of the sizes that the constants say.

Bounds are 4 Monte Carlo errors at fixed seeds; on another seed one of the some 40 comparisons
fails about once in 400 runs.
"""

import numpy as np
import pytest

from bayescannon import data
from bayescannon.labels import features
from bayescannon.simulate import make_apokasc, make_mock
from bayescannon.simulate import stars as stars_module

N = 700


@pytest.fixture(scope="module")
def mock():
    return make_mock(N, seed=1)


@pytest.fixture(scope="module")
def apokasc():
    return make_apokasc(seed=0)


@pytest.fixture(scope="module")
def drawn():
    giants, rng = stars_module.real_giants(), np.random.default_rng(3)
    return giants, [giants.draw(rng) for _ in range(2000)]


def _columns(table, names=stars_module.NAMES):
    return np.stack([np.asarray(table[name], float) for name in names], axis=1)


def _near(value, expected, error):
    assert np.all(np.abs(np.asarray(value) - expected) < 4 * np.asarray(error))


def test_the_same_seed_gives_the_same_stars(mock):
    again = make_mock(5, seed=1)
    np.testing.assert_array_equal(again.spectra.flux, mock.spectra[:5].flux)
    np.testing.assert_array_equal(_columns(again.labels), _columns(mock.labels)[:5])
    other = make_mock(5, seed=2)
    assert not set(other.spectra.star_id) & set(mock.spectra.star_id)
    assert (other.spectra.flux[:, 50] != again.spectra.flux[:, 50]).all()
    assert len(set(mock.spectra.star_id)) == N


def test_another_seed_gives_the_real_stars_other_noise(apokasc):
    other = make_apokasc(seed=1)
    np.testing.assert_array_equal(other.spectra.star_id, apokasc.spectra.star_id)
    np.testing.assert_array_equal(_columns(other.truth), _columns(apokasc.truth))
    assert (_columns(other.labels)[:, :4] != _columns(apokasc.labels)[:, :4]).all()
    assert (other.spectra.flux[:, 50] != apokasc.spectra.flux[:, 50]).all()


def test_a_star_does_not_depend_on_the_stars_before_it(apokasc, monkeypatch):
    giants = stars_module.real_giants()
    rows = np.array([900, 3, 77])
    part = ("star_id", "labels", "ln_mass", "ln_mass_error", "carbon_nitrogen", "state", "snr")
    some = giants._replace(**{name: getattr(giants, name)[rows] for name in part})
    monkeypatch.setattr(stars_module, "real_giants", lambda: some)
    alone = make_apokasc(seed=0)
    np.testing.assert_allclose(alone.spectra.flux, apokasc.spectra[rows].flux, rtol=1e-6)
    np.testing.assert_array_equal(_columns(alone.labels), _columns(apokasc.labels)[rows])


def test_the_real_stars_keep_their_labels(apokasc):
    real = data.apokasc()
    order = {name: row for row, name in enumerate(real["star_id"])}
    rows = [order[name] for name in apokasc.truth["star_id"]]
    assert len(rows) == 1502
    np.testing.assert_array_equal(
        _columns(apokasc.truth)[:, :4], _columns(real, stars_module.BASE_LABELS)[rows]
    )
    np.testing.assert_allclose(np.exp(apokasc.truth["ln_mass"]), real["mass"][rows])
    np.testing.assert_array_equal(apokasc.labels["ln_mass"], apokasc.truth["ln_mass"])
    assert "semi-synthetic" in apokasc.labels.meta["comment"]


@pytest.mark.parametrize("which", ["apokasc", "mock"])
def test_labels_have_the_errors_they_say(which, request):
    simulated = request.getfixturevalue(which)
    n = len(simulated.labels)
    error = _columns(simulated.labels) - _columns(simulated.truth)
    said = _columns(simulated.labels, [f"{name}_err" for name in stars_module.NAMES])
    sd = np.array([25.0, 0.02, 0.015, 0.015, 0.12])
    used = slice(0, 5) if which == "mock" else slice(0, 4)
    np.testing.assert_array_equal(said[:, used], np.tile(sd[used], (n, 1)))
    _near(error.std(axis=0)[used] / sd[used], 1, 1 / np.sqrt(2 * n))
    _near(error.mean(axis=0)[used] / sd[used], 0, 1 / np.sqrt(n))
    # no label's error tells of another's
    correlation = np.corrcoef(error[:, used].T)[np.triu_indices(used.stop, 1)]
    _near(correlation, 0, 1 / np.sqrt(n))


def test_noise_has_a_floor_and_follows_the_signal_to_noise(apokasc):
    ivar, snr = apokasc.spectra.ivar, np.asarray(apokasc.truth["snr"])
    sigma = np.maximum(1 / snr, 0.005)
    usable = stars_module.base_model().usable
    np.testing.assert_allclose(
        ivar[:, usable], np.tile(sigma[:, None] ** -2, usable.sum()), rtol=1e-6
    )
    assert (ivar[:, ~usable] == 0).all()
    assert (snr > 200).any()


def test_fluxes_scatter_as_the_constants_say(mock):
    """Variance about the model: photon noise, half the scatter, lines of C, N and the rest.

    The hidden lines are few: in the 20 % of pixels without any, chi2 per pixel is 1.
    """
    model, windows = stars_module.base_model(), data.element_windows()
    others = [w for k, w in windows.items() if (len(k) <= 2 or k.startswith("sens"))]
    clear = np.max(np.abs(others), axis=0) < 0.005
    clear &= model.usable
    assert clear.sum() > 100
    residual = mock.spectra.flux - model.predict(_columns(mock.truth, stars_module.BASE_LABELS))
    scatter = np.minimum(0.5 * model.scatter, 0.01)
    chi2 = (residual**2 / (1 / np.maximum(mock.spectra.ivar, 1e-9) + scatter**2))[:, clear]
    _near(chi2.mean(), 1, np.sqrt(2 / chi2.size) + 0.0005)
    lines = model.usable & (windows["sensitivity_dr16_C"] > 0.5)
    assert (residual[:, lines].std(axis=0) > residual[:, clear].std(axis=0).mean()).mean() > 0.9


def test_carbon_lines_weaken_with_carbon(apokasc):
    """Regress the residual on [C/M] of the real stars: -0.10 per dex where the sensitivity is 1."""
    model, windows = stars_module.base_model(), data.element_windows()
    residual = apokasc.spectra.flux - model.predict(
        _columns(apokasc.truth, stars_module.BASE_LABELS)
    )
    cn = stars_module.real_giants().carbon_nitrogen
    inverse = np.linalg.inv(cn.T @ cn)
    slope = (inverse @ cn.T @ np.where(model.usable, residual, 0.0))[:, model.usable]
    strength = np.stack([windows[f"sensitivity_dr16_{e}"] for e in "CN"])[:, model.usable]
    for i in range(2):
        fitted = np.sum(slope[i] * strength[i]) / np.sum(strength[i] ** 2)
        assert fitted == pytest.approx(-0.10, abs=0.01)


def test_mock_stars_look_like_the_real_ones(drawn):
    """2000 draws; the four labels' mean, sd and correlations, the cut at the range costs < 5 %."""
    giants, stars = drawn
    labels = np.array([star.labels for star in stars])
    assert (labels >= giants.labels.min(axis=0)).all()
    assert (labels <= giants.labels.max(axis=0)).all()
    sd = giants.labels.std(axis=0)
    _near((labels.mean(axis=0) - giants.labels.mean(axis=0)) / sd, 0, 1 / np.sqrt(2000))
    np.testing.assert_allclose(labels.std(axis=0), sd, rtol=0.08)
    _near(np.corrcoef(labels.T), np.corrcoef(giants.labels.T), 0.03)
    p_rc = np.mean([star.state == "RC" for star in stars])
    _near(p_rc, np.mean(giants.state == "RC"), 0.5 / np.sqrt(2000) + 0.005)


def test_mock_masses_follow_labels_and_chemistry_as_the_real_ones_do(drawn):
    """Given labels and state, (ln mass, C, N) scatter as fitted: 2000 draws, 4 errors."""
    giants, stars = drawn
    for state in ("RC", "RGB"):
        here = [star for star in stars if star.state == state]
        three = np.array([[star.ln_mass, *star.carbon_nitrogen] for star in here])
        scaled = (np.array([star.labels for star in here]) - giants.pivot) / giants.scale
        residual = three - np.asarray(features(scaled)) @ giants.slope[state]
        white = np.linalg.solve(giants.root[state], residual.T)
        _near(white.mean(axis=1), 0, 1 / np.sqrt(len(here)))
        _near(np.cov(white), np.eye(3), np.sqrt(2 / len(here)))
        # carbon over mass is what makes masses readable from spectra of giants
        covariance = giants.root[state] @ giants.root[state].T
        assert covariance[0, 1] < 0 < covariance[0, 2]


def test_no_star_is_a_set_too():
    empty = make_mock(0)
    assert len(empty.spectra) == len(empty.labels) == len(empty.truth) == 0


def test_no_mock_star_has_a_mass_that_no_real_giant_has():
    """Regression: the quadratic of a state, far from its stars, once made a giant of 0.16 Msun."""
    mass = np.exp(np.asarray(make_mock(2000, seed=1).truth["ln_mass"]))
    assert mass.min() >= 0.79 - 1e-6
    assert mass.max() <= 3.04
