"""Labels that bend more than the model are corrected; others are left exactly as they are."""

import jax.numpy as jnp
import numpy as np
import pytest

from bayescannon.keys import star_keys
from bayescannon.labels import Curvature, features
from bayescannon.model import LabelError
from bayescannon.posterior.convolve import convolve
from bayescannon.training.curvature import fit_curvature

N_STAR = 500


def _stars(seed: int, bend: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two labels; errors of 0.1."""
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=(N_STAR, 2))
    v, cubic = np.asarray(features(labels, 2)), labels[:, 0] ** 3
    wanted = bend * (cubic - v @ np.linalg.lstsq(v, cubic, rcond=None)[0])
    missed = np.stack([wanted, np.zeros(N_STAR)], axis=1)
    return labels, missed + 0.1 * rng.normal(size=missed.shape), wanted


def _fit(labels, missed) -> Curvature | None:
    return fit_curvature(labels, missed, np.full(missed.shape, 0.01), 2)


def test_a_cubic_trend_is_found_in_the_label_that_has_it():
    """Four cubic terms of 500 errors of 0.1: the correction is known to 0.1 sqrt(4 / 500)."""
    labels, missed, wanted = _stars(0, 0.1)
    found = _fit(labels, missed)
    assert found is not None
    assert found.gain[0] > 0
    np.testing.assert_array_equal(found.gain[1:], 0.0)
    bend, sd = found.bend(labels, 2)
    assert np.std(np.asarray(bend)[:, 0] - wanted) < 4 * 0.1 * np.sqrt(4 / N_STAR)
    assert 0.5 < np.std((np.asarray(bend)[:, 0] - wanted) / np.asarray(sd)[:, 0]) < 2.0
    np.testing.assert_array_equal(np.asarray(bend)[:, 1:], 0.0)


@pytest.mark.parametrize("seed", range(8))
def test_without_a_trend_there_is_no_correction(seed):
    """The threshold, ln(500) / 2, is passed by chance in 0.04 % of labels: 16 are tried."""
    labels, missed, _ = _stars(seed, 0.0)
    assert _fit(labels, missed) is None


def test_few_stars_show_no_curvature():
    """Four cubic terms of two labels: 79 stars are too few, 80 will do."""
    labels, missed, _ = _stars(0, 0.3)
    assert _fit(labels[:79], missed[:79]) is None
    assert _fit(labels[:80], missed[:80]) is not None


def test_unknown_labels_do_not_count():
    labels, missed, _ = _stars(0, 0.1)
    gone = missed.copy()
    gone[300:, 0] = np.nan
    few = _fit(labels, gone)
    variance = np.where(np.isfinite(gone), 0.01, 1e30)
    weightless = fit_curvature(labels, missed, variance, 2)
    assert few is not None
    assert weightless is not None
    np.testing.assert_allclose(few.mean[:, 0], weightless.mean[:, 0], rtol=1e-6)


def test_outside_the_training_stars_the_correction_stays_what_it_is_at_the_edge():
    labels, missed, _ = _stars(0, 0.1)
    found = _fit(labels, missed)
    assert found is not None
    far, edge = np.array([[50.0, 0.0]]), np.array([[found.high[0], 0.0]])
    np.testing.assert_allclose(found.bend(far, 2)[0], found.bend(edge, 2)[0], rtol=1e-12)


def test_draws_are_moved_and_widened_by_it():
    """4000 draws: mean within 4 sd / sqrt(4000), width within 4 / sqrt(8000) = 4.5 %."""
    labels, missed, _ = _stars(0, 0.1)
    found = _fit(labels, missed)
    assert found is not None
    nothing = np.zeros((2, 2))
    error = LabelError(np.zeros((6, 6)), nothing, nothing, curvature=found)
    star = np.array([1.5, -0.5])
    keys = star_keys(0, np.array(["a"]))
    draws = convolve(keys, np.broadcast_to(star, (1, 1, 4000, 2)), error, 2)[0, 0]
    bend, sd = (np.asarray(a)[0] for a in found.bend(jnp.asarray(star[None]), 2))
    assert abs(draws[:, 0].mean() - star[0] - bend[0]) < 4 * sd[0] / np.sqrt(4000)
    np.testing.assert_allclose(draws[:, 0].std(), sd[0], rtol=0.045)
    np.testing.assert_allclose(draws[:, 1:], np.broadcast_to(star[1:], (4000, 1)))


def test_a_model_remembers_it():
    labels, missed, _ = _stars(0, 0.1)
    error = LabelError(np.eye(6), np.eye(2), np.eye(2), 5.0, curvature=_fit(labels, missed))
    again = LabelError.of_arrays(error.arrays())
    assert again is not None
    assert again.curvature is not None
    assert error.curvature is not None
    for one, other in zip(again.curvature, error.curvature, strict=True):
        np.testing.assert_array_equal(one, other)
