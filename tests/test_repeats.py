"""Repeated visits: what is put into simulated noise is found again, and nothing else."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import run_cli

import bayescannon as bc
from bayescannon.calibration.repeats import (
    PhotonLaw,
    Visits,
    autocorrelation,
    fit_photon_law,
    scatter_over_error,
)
from bayescannon.recipe import ErrorRecipe
from bayescannon.validation.visits import label_scatter

STARS, EACH = 30, 4


def visits_of(scenario, scale=1.0, floor=0.0, alike=False, seed=0) -> bc.Spectra:
    """Visits of 30 stars whose spectra no model describes exactly; noise as a law says.

    Noise of the floor is independent from pixel to pixel, or, if `alike`, looks as if labels
    had changed: the worst that a continuum can do.
    """
    rng = np.random.default_rng(seed)
    truth = scenario.model.predict(scenario.labels[:STARS])
    truth = truth + scenario.model.scatter * rng.normal(size=truth.shape)  # of the star, not noise
    truth = np.repeat(truth, EACH, axis=0)
    stated = np.broadcast_to(1 / rng.uniform(60, 200, (len(truth), 1)), truth.shape)
    common = rng.normal(size=truth.shape)
    if alike:
        linear = scenario.coefficients[:, 1:4]
        common = rng.normal(size=(len(truth), 3)) @ (linear / np.linalg.norm(linear, axis=0)).T
        common *= np.sqrt(linear.shape[0] / 3)
    noise = scale * stated * rng.normal(size=truth.shape) + floor * common
    ivar = np.where(rng.uniform(size=truth.shape) < 0.03, 0.0, stated**-2)
    names = [f"s{i}" + (f"#{k}" if k > 1 else "") for i in range(STARS) for k in range(1, EACH + 1)]
    flux = np.where(ivar > 0, truth + noise, 0.0)
    return bc.Spectra(scenario.spectra.wavelength, flux, ivar, names)


def index(spectra: bc.Spectra) -> Visits:
    return Visits.of(np.arange(len(spectra)) // EACH)


@pytest.mark.parametrize(("scale", "floor"), [(1.0, 0.0), (1.5, 0.0), (0.8, 0.01), (1.2, 0.02)])
def test_the_law_of_photon_errors_is_found_again(scenario, scale, floor):
    """7,400 pixels less 25 %: a law is off by more than four of its errors once in 10^4."""
    spectra = visits_of(scenario, scale, floor)
    law = fit_photon_law(*spectra.arrays(), index(spectra))
    assert abs(law.scale - scale) < 4 * law.scale_error + 0.01
    assert abs(law.floor - floor) < 4 * law.floor_error + 0.002
    assert law.scale_error < 0.1
    scatter = scatter_over_error(spectra.flux, np.sqrt(law.variance(spectra.ivar)), index(spectra))
    off = (scatter.ratio - 1) / scatter.error
    assert abs(np.nanmean(off)) < 0.5
    assert 0.7 < np.nanstd(off) < 1.3


def test_errors_that_are_all_alike_leave_the_scale_near_one(scenario):
    spectra = visits_of(scenario, 1.0, 0.02)
    ivar = np.where(spectra.ivar > 0, 1e4, 0.0)
    law = fit_photon_law(spectra.flux, ivar, index(spectra))
    assert 0.3 < law.scale < 1.7
    assert np.hypot(law.scale * 0.01, law.floor) == pytest.approx(0.022, rel=0.1)


def test_independent_noise_needs_no_more_than_the_pixels_say(scenario):
    """Scatter of the stars about the model is no noise: visits of a star share it."""
    found = bc.repeats(scenario.model, visits_of(scenario, 1.3, 0.01))
    assert (found.stars, found.visits) == (STARS, STARS * EACH)
    assert found.photon_floor == found.pixel_law.floor
    assert found.photon_scale == pytest.approx(1.3, abs=0.1)
    assert abs(found.correlation[1]) < 0.05
    for now, then in zip(found.before.values(), found.after.values(), strict=True):
        assert now.ratio > 1.3
        assert abs(then.ratio - 1) < 4 * then.error  # 90 deviations: fails once in 10^4
    assert np.nanmedian(found.pixel_ratio) > 1.3


def test_correlated_noise_raises_the_floor_until_labels_hold(scenario):
    """Noise that is like a change of labels moves these far more than single pixels show."""
    found = bc.repeats(scenario.model, visits_of(scenario, 1.0, 0.01, alike=True))
    assert found.pixel_law.floor == pytest.approx(0.01, abs=0.003)
    assert found.photon_floor > 2 * found.pixel_law.floor
    ratios = np.array([label.ratio for label in found.after.values()])
    assert np.exp(np.mean(np.log(ratios))) == pytest.approx(1, abs=0.05)
    # on visits that the law has not seen: 90 deviations of each label, four errors
    law = found.pixel_law._replace(floor=found.photon_floor)
    other = visits_of(scenario, 1.0, 0.01, alike=True, seed=1)
    again = label_scatter(scenario.model, other, law).values()
    ratios = np.array([label.ratio for label in again])
    assert np.exp(np.mean(np.log(ratios))) == pytest.approx(1, abs=4 / np.sqrt(2 * 90))


def test_the_recipe_applies_the_law_in_training_and_inference(scenario):
    """As if the spectra came with the errors of the law."""
    errors = ErrorRecipe(1.5, 0.01)
    flux, ivar = scenario.spectra.arrays()
    by_hand = np.where(ivar > 0, 1 / (1.5**2 / np.where(ivar > 0, ivar, 1) + 0.01**2), 0.0)
    np.testing.assert_allclose(errors.photon_ivar(ivar), by_hand, rtol=1e-12)
    assert ErrorRecipe().photon_ivar(ivar) is ivar
    recipe = replace(scenario.recipe, errors=errors)
    assert bc.Recipe.loads(recipe.dumps()) == recipe
    axis = (scenario.spectra.wavelength, flux)
    wide = bc.Spectra(*axis, by_hand, scenario.spectra.star_id)
    ours = bc.train(scenario.spectra, scenario.labels, recipe)
    theirs = bc.train(wide, scenario.labels, scenario.recipe)
    np.testing.assert_allclose(ours.coefficients, theirs.coefficients, rtol=1e-9, atol=1e-12)
    ours = bc.infer(ours, scenario.spectra[:3], "laplace", draws=4)
    theirs = bc.infer(theirs, wide[:3], "laplace", draws=4)
    np.testing.assert_allclose(ours["point/cov"], theirs["point/cov"], rtol=1e-7)


def test_a_law_that_cannot_be_is_refused():
    text = 'name = "x"\n[labels]\nnames = ["teff"]\n[errors]\n'
    for line, key in (("photon_scale = 0.0", "photon_scale"), ("photon_floor = -1.0", "floor")):
        with pytest.raises(bc.UserError, match=key):
            bc.Recipe.loads(text + line + "\n")


def test_the_command_line_says_what_to_put_into_the_recipe(scenario, tmp_path, monkeypatch, capsys):
    visits_of(scenario, 1.5).save(tmp_path / "visits.zarr")
    scenario.model.save(tmp_path / "model")
    words = ("repeats", tmp_path / "visits.zarr", "--model", tmp_path / "model", "--out")
    assert run_cli(monkeypatch, *words, tmp_path / "repeats.json") == 0
    shown = capsys.readouterr().out
    told = json.loads((tmp_path / "repeats.json").read_text())
    assert f"[errors]\nphoton_scale = {told['photon_scale']:.3f}\n" in shown
    assert told["before"]["teff"]["ratio"] == pytest.approx(1.5, abs=0.4)
    scenario.spectra[:5].save(tmp_path / "single.zarr")
    words = ("repeats", tmp_path / "single.zarr", "--model", tmp_path / "model", "--out")
    assert run_cli(monkeypatch, *words, tmp_path / "none.json") == 2


def test_independent_pixels_are_not_correlated(scenario):
    spectra = visits_of(scenario)
    stated = np.sqrt(PhotonLaw(1.0, 0.0).variance(spectra.ivar))
    found = autocorrelation(spectra.flux, stated, index(spectra), (1, 5))
    assert all(abs(r) < 0.05 for r in found.values())
