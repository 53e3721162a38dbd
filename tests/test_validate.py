"""Cross-validation and its statistics."""

import numpy as np
import pytest

import bayescannon as bc
from bayescannon.validation import CrossValidation, assign_folds, certificate_of, crossval, judge


def test_judge_of_calibrated_gaussians():
    """Seed 3, 20,000 stars: z and coverage within four Monte Carlo errors (fails 1 in 10^4)."""
    rng = np.random.default_rng(3)
    truth = rng.normal(size=20_000)
    sd = np.full(truth.size, 0.3)
    mean = truth + sd * rng.normal(size=truth.size)
    j = judge(truth, mean, sd, mean - sd, mean + sd)
    assert abs(j.z - 1) < 4 / np.sqrt(2 * truth.size)
    assert abs(j.coverage68 - 0.6827) < 4 * np.sqrt(0.68 * 0.32 / truth.size)
    assert abs(j.rms - 0.3) < 0.01
    assert abs(j.robust - 0.3) < 0.01
    assert abs(j.slope - 1) < 0.01


def test_judge_leaves_out_stars_without_numbers():
    truth = np.array([1.0, 2.0, np.nan, 4.0])
    mean = np.array([1.1, np.nan, 3.0, 4.1])
    one = np.ones(4)
    j = judge(truth, mean, one, mean - 1, mean + 1)
    assert j.n == 2
    assert j.bias == pytest.approx(0.1)
    assert np.isnan(judge(truth[:1], mean[:1], one[:1], one[:1], one[:1]).rms)


def _found(truth, mean, sd, rng, error=0.0, degrees=np.inf) -> CrossValidation:
    """A cross-validation of one label with Gaussian posteriors."""
    n = truth.size
    draws = mean[:, None] + sd[:, None] * rng.normal(size=(n, 199))
    column = {k: v[:, None] for k, v in (("truth", truth), ("mean", mean), ("sd", sd))}
    full = {"error": np.full((n, 1), error), "degrees": np.full((n, 1), degrees)}
    q16, q84 = np.quantile(draws, [0.16, 0.84], axis=1)[..., None]
    names, fold = np.arange(n).astype(str), np.arange(n) % 5
    rest = {"chi2_red": np.ones(n), "distance": np.ones(n), "flags": np.zeros(n, int)}
    return CrossValidation(
        ("a",), names, fold, q16=q16, q84=q84, draws=draws[..., None], **column, **full, **rest
    )


def test_folds_are_even_stratified_and_reproducible():
    stratum = np.random.default_rng(1).normal(size=1003)
    fold = assign_folds(stratum, 10, seed=5)
    counts = np.bincount(fold)
    assert counts.size == 10
    assert counts.max() - counts.min() <= 1
    assert np.ptp([stratum[fold == k].mean() for k in range(10)]) < 0.2 * stratum.std()
    assert (fold == assign_folds(stratum, 10, seed=5)).all()
    assert (fold != assign_folds(stratum, 10, seed=6)).any()


def test_cross_validation_judges_stars_that_training_did_not_see(scenario):
    """Each star's numbers equal those of a model trained by hand without its fold."""
    recipe = scenario.model.recipe
    result = bc.cross_validate(scenario.spectra, scenario.labels, recipe, folds=4, seed=2)
    assert set(result.fold) == {0, 1, 2, 3}
    test = np.flatnonzero(result.fold == 1)
    model = bc.train(scenario.spectra[np.flatnonzero(result.fold != 1)], scenario.labels, recipe)
    post = bc.infer(model, scenario.spectra[test], method="importance", seed=2)
    np.testing.assert_allclose(result.mean[test], post["point"]["mean"].values, rtol=1e-9)
    assert list(result.statistics) == list(recipe.labels.names)
    assert len(result.table()) == len(scenario.spectra)


def test_too_many_folds_are_refused(scenario):
    with pytest.raises(bc.UserError, match="folds is 1"):
        bc.cross_validate(scenario.spectra, scenario.labels, scenario.model.recipe, folds=1)


def test_cross_validation_goes_on_where_it_stopped(scenario, tmp_path, monkeypatch):
    """Killed after two of three folds; then only the third is trained, and nothing differs."""
    call = (scenario.spectra, scenario.labels, scenario.model.recipe)
    whole = bc.cross_validate(*call, folds=3)
    trained = []

    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bc.cross_validate(*call, folds=3, folder=tmp_path / "cv", progress=stop)
    monkeypatch.setattr(crossval, "train", lambda *a: trained.append(1) or bc.train(*a))
    resumed = bc.cross_validate(*call, folds=3, folder=tmp_path / "cv")
    assert trained == [1]
    np.testing.assert_array_equal(resumed.mean, whole.mean)
    np.testing.assert_array_equal(resumed.error, whole.error)
    with pytest.raises(bc.UserError, match="holds folds of other data or settings"):
        bc.cross_validate(*call, folds=3, seed=1, folder=tmp_path / "cv")


def test_errors_of_the_truth_are_convolved():
    """Seed 4, 20,000 stars: as the calibrated Gaussians above, with a noisy truth."""
    rng = np.random.default_rng(4)
    truth = rng.normal(size=20_000)
    mean = truth + 0.3 * rng.normal(size=truth.size)
    seen, sd = truth + 0.4 * rng.normal(size=truth.size), np.full(truth.size, 0.3)
    found = _found(seen, mean, sd, rng, error=0.0)
    assert found.statistics["a"].z > 1.5
    j = _found(seen, mean, sd, rng, error=0.4).statistics["a"]
    assert abs(j.z - 1) < 4 / np.sqrt(2 * truth.size)
    # 199 draws know their own quantiles to 0.1 sd: shares scatter no more, but are 0.3 % low
    assert abs(j.coverage68 - 0.6827) < 0.005 + 4 * np.sqrt(0.68 * 0.32 / truth.size)


def test_student_errors_of_the_truth_are_convolved_as_such():
    """Seed 5, 20,000 stars, errors t with 3 degrees of freedom that dominate: shares as stated.

    As if Gaussian, 68 % intervals would hold 78 %. Within four Monte Carlo errors (1 in 10^4).
    """
    rng = np.random.default_rng(5)
    truth = rng.normal(size=20_000)
    mean, sd = truth + 0.1 * rng.normal(size=truth.size), np.full(truth.size, 0.1)
    seen = truth + 0.5 / np.sqrt(3) * rng.standard_t(3, truth.size)
    limit = 0.005 + 4 * np.sqrt(0.68 * 0.32 / truth.size)
    for degrees, holds in ((3.0, True), (np.inf, False)):
        found = _found(seen, mean, sd, rng, error=0.5, degrees=degrees)
        share = found.statistics["a"].coverage68
        assert (abs(share - 0.6827) < limit) == holds
        certificate = certificate_of(found, found.error, np.full(truth.size, 100.0))
        assert (abs(certificate.labels["a"].coverage[1] - 0.68) < limit) == holds
        assert certificate.passed == holds
