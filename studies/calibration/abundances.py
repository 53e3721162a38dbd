"""The real giants whose catalogue abundances, states and seismic masses are known."""

import numpy as np
from astropy.table import Table

from bayescannon.ages import infer_ages
from bayescannon.model.fit import train_by_state
from bayescannon.posterior import infer
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra
from bayescannon.training import DEGREES_OF_FREEDOM
from bayescannon.trees import array, point_sd
from bayescannon.validation.crossval import assign_folds

DRAWS = 500
STUDENT_VARIANCE = DEGREES_OF_FREEDOM / (DEGREES_OF_FREEDOM - 2)
"""Of a Student error, in units of its squared scale."""


def cross_validate_by_state(
    spectra: Spectra, labels: Table, state, recipe: Recipe, folds: int = 10, seed: int = 0
) -> Table:
    """Judge ln mass of every star by models that have not seen it; the state is not given.

    Returns
    -------
    Table
        `star_id`, `fold` (-1 where no mass is known), `ln_mass_in`; of ln mass `mean` and `std`,
        `draws` (star, draw), and `predicted` (star, draw), the catalogue's value: draws with
        Student errors of the quoted size times the f of the other folds in the draw's state;
        `predicted_std`; `p_rc`, `f_rgb`, `f_rc`; `age` (star, level) [Gyr], quantiles 2.5, 16, 50,
        84, 97.5 %.
    """
    truth = np.log(np.asarray(labels["mass"], float))
    stated = np.asarray(labels["mass_err"], float) / np.asarray(labels["mass"], float)
    known = np.flatnonzero(np.isfinite(truth))
    fold = np.full(len(truth), -1)  # stars without a mass are in all training sets
    fold[known] = assign_folds(truth[known], folds, seed)
    out = Table({"star_id": spectra.star_id, "fold": fold, "ln_mass_in": truth})
    for name in ("mean", "std", "predicted_std", "p_rc", "f_rgb", "f_rc"):
        out[name] = np.nan
    for name, length in (("draws", DRAWS), ("predicted", DRAWS), ("age", 5)):
        out[name] = np.full((len(out), length), np.nan)
    noise = np.random.default_rng(seed).standard_t(DEGREES_OF_FREEDOM, (len(out), DRAWS))
    for k in range(folds):
        test, rest = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        models = train_by_state(spectra[rest], labels, state[rest], recipe)
        post = infer(models, spectra[test], "importance", draws=DRAWS, seed=seed)
        f = np.array([(m.report or {})["error_scale"]["ln_mass"] for m in models.parts])
        out["f_rgb"][test], out["f_rc"][test] = f
        out["p_rc"][test] = array(post, "sample_stats/p_rc")
        out["mean"][test] = array(post, "point/mean")[:, -1]
        out["std"][test] = point_sd(post)[:, -1]
        draws, rc = array(post, "posterior/ln_mass")[0].T, array(post, "sample_stats/rc")[0].T
        error = stated[test, None] * f[rc.astype(int)]
        out["draws"][test] = draws
        out["predicted"][test] = draws + error * noise[test]
        variance = STUDENT_VARIANCE * (error**2).mean(axis=1)
        out["predicted_std"][test] = np.sqrt(out["std"][test] ** 2 + variance)
        out["age"][test] = array(infer_ages(post), "point/quantile")[0].T
    return out
