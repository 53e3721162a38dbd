"""P(rc) learned from the giants of known state."""

from itertools import pairwise

import numpy as np
import pytest

from bayescannon.ages import infer_ages
from bayescannon.ages.states import default_classifier, known_states
from bayescannon.posterior.result import as_posterior
from bayescannon.states import p_clump
from studies.ages.check import measure_reliability

LABELS = {"teff": 4800.0, "logg": 2.45, "feh": -0.05, "afe": 0.05}  # in the midst of the clump


def test_held_out_probabilities_are_calibrated_and_sharp():
    """Reliability within four standard errors in each bin of 25 stars or more (seed 0)."""
    found = measure_reliability()
    assert len(found.p) == 1502
    assert found.log_score < 0.06
    assert found.brier < 0.015
    edges = np.array([0, 0.1, 0.5, 0.9, 1])
    for low, high in pairwise(edges):
        here = (found.p >= low) & (found.p <= high)
        error = np.sqrt(np.sum(found.p[here] * (1 - found.p[here]))) / here.sum()
        assert here.sum() >= 25
        assert found.rc[here].mean() == pytest.approx(found.p[here].mean(), abs=4 * error)


def test_the_clump_the_branch_and_what_no_training_star_is_like():
    stars = [[4800.0, 2.45, -0.05, 0.05], [4750.0, 3.2, 0.0, 0.03], [3600.0, 0.8, 0.1, 0.4]]
    p = np.asarray(p_clump(default_classifier(), np.array(stars)))
    assert p[0] > 0.9
    assert p[1] < 0.01
    assert p[2] == pytest.approx(known_states()[1].mean())


def test_infer_ages_learns_p_rc_when_it_can_and_says_so():
    shape = (1, 100, 1)
    ln_mass = 0.2 + 0.1 * np.random.default_rng(0).normal(size=shape)
    sampled = {"ln_mass": ln_mass} | {k: np.full(shape, v) for k, v in LABELS.items()}
    ages = infer_ages(as_posterior(sampled, ["a"]))
    assert ages.attrs["p_rc"] == "learned from teff, logg, feh, afe"
    assert ages["sample_stats"]["p_rc"].values[0] > 0.9
    del sampled["teff"]
    ages = infer_ages(as_posterior(sampled, ["a"]))
    assert ages.attrs["p_rc"] == "0.5, as there is no label teff"
    assert ages["sample_stats"]["p_rc"].values[0] == 0.5
    ages = infer_ages(as_posterior(sampled, ["a"]), p_rc=0.2)
    assert ages.attrs["p_rc"] == "given"
