"""The real giants whose catalogue abundances, states and seismic masses are known."""

import numpy as np
from astropy.table import Table

from ..ages import infer_ages
from ..data import apokasc
from ..infer import infer
from ..model.by_state import train_by_state
from ..recipe import Recipe
from ..spectra import Spectra
from ..spectra.abundances import to_channels
from ..train import DEGREES_OF_FREEDOM
from ..trees import array, point_sd
from .crossval import assign_folds

DRAWS = 500
STUDENT_VARIANCE = DEGREES_OF_FREEDOM / (DEGREES_OF_FREEDOM - 2)
"""Of a Student error, in units of its squared scale."""
COLUMNS = ("teff_spec", "logg_spec", "feh_spec", "afe_spec", "c_m", "n_m")


def real_giants(mass: str = "mass_apokasc2") -> tuple[Spectra, Table, np.ndarray]:
    """Channels, labels (with errors) and states of the 1502 real giants with abundances.

    Parameters
    ----------
    mass : {"mass_apokasc2", "mass"}
        Corrected (NaN for 110 of them) or plain scaling-relation masses.
    """
    real = apokasc()
    x = np.column_stack([_numbers(real, name) for name in COLUMNS])
    use = np.isfinite(x).all(axis=1)
    x, real = x[use], real[use]
    spectra = to_channels(x, np.full(x.shape, np.nan), np.asarray(real["star_id"], str))
    labels = Table({"star_id": spectra.star_id})
    for i, name in enumerate(("teff", "logg", "feh", "afe")):
        labels[name] = x[:, i]
    labels["mass"] = _numbers(real, mass)
    sides = ("mass_errp", "mass_errm") if mass == "mass" else (f"{mass}_err",)
    labels["mass_err"] = np.mean([_numbers(real, side) for side in sides], axis=0)
    return spectra, labels, np.char.lower(np.asarray(real["evstate"], str))


def _numbers(table: Table, name: str) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan)


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
