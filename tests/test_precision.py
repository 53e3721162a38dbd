"""JAX in single precision is refused at every entry, in one line."""

import jax
import numpy as np
import pytest
from conftest import DATA

import bayescannon as bc
from bayescannon.ages.population import infer_population
from bayescannon.ages.states import clump_probability

APSTAR = DATA / "apStar-r5-2M00004994+1621552.fits.gz"
ENTRIES = {
    "train": lambda w, post, out: bc.train(w.spectra, w.labels, w.recipe),
    "cross_validate": lambda w, post, out: bc.cross_validate(w.spectra, w.labels, w.recipe, 2),
    "infer": lambda w, post, out: bc.infer(w.model, w.spectra, "laplace"),
    "run_catalog": lambda w, post, out: bc.run_catalog(w.model, w.spectra, out / "catalog"),
    "infer_ages": lambda w, post, out: bc.infer_ages(post),
    "reweight": lambda w, post, out: bc.reweight(post, "flat"),
    "recalibrate": lambda w, post, out: bc.recalibrate(post, {}, np.full(200, 100.0)),
    "predict": lambda w, post, out: w.model.predict(w.labels),
    "predict_sd": lambda w, post, out: w.model.predict_sd(w.labels),
    "age_of_mass": lambda w, post, out: bc.Parsec.default().age_of_mass(0.1, 0.0, "rgb"),
    "clump_probability": lambda w, post, out: clump_probability(np.ones((2, 4))),
    "infer_population": lambda w, post, out: infer_population(np.ones((3, 14))),
    "ingest_files": lambda w, post, out: bc.ingest_files([APSTAR]),
    "make_mock": lambda w, post, out: bc.make_mock(3),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_single_precision_is_refused_in_one_line(scenario, posterior, tmp_path, name):
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(bc.UserError, match=r"switch double precision on with jax\.config"):
            ENTRIES[name](scenario, posterior, tmp_path)
    finally:
        jax.config.update("jax_enable_x64", True)
    assert not list(tmp_path.iterdir())


def test_what_worked_before_works_after_single_precision(scenario):
    before = scenario.model.predict(scenario.labels)
    with jax.enable_x64(False), pytest.raises(bc.UserError, match="single precision"):
        scenario.model.predict(scenario.labels)
    assert np.array_equal(scenario.model.predict(scenario.labels), before, equal_nan=True)
