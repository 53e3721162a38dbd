"""The real giants whose catalogue abundances, states and seismic masses are known."""

import numpy as np
from astropy.table import Table

from ..data import apokasc
from ..infer import infer
from ..model.by_state import train_by_state
from ..recipe import Recipe
from ..spectra import Spectra
from ..spectra.abundances import to_channels
from ..trees import array, point_sd
from .crossval import assign_folds

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
        `star_id`, `fold`, `ln_mass_in`, `mean`, `std`, `error` (quoted times the f of the
        other folds, mixed by P(rc)), `p_rc`, and `draws` (star, draw) of ln mass.
    """
    truth = np.log(np.asarray(labels["mass"], float))
    stated = np.asarray(labels["mass_err"], float) / np.asarray(labels["mass"], float)
    known = np.flatnonzero(np.isfinite(truth))
    fold = np.full(len(truth), -1)  # stars without a mass are in all training sets
    fold[known] = assign_folds(truth[known], folds, seed)
    out = Table({"star_id": spectra.star_id, "fold": fold, "ln_mass_in": truth})
    for name in ("mean", "std", "error", "p_rc", "f_rgb", "f_rc"):
        out[name] = np.nan
    out["draws"] = np.full((len(out), 500), np.nan)
    for k in range(folds):
        test, rest = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        models = train_by_state(spectra[rest], labels, state[rest], recipe)
        post = infer(models, spectra[test], "importance", seed=seed)
        f = [(m.report or {})["error_scale"]["ln_mass"] for m in (models.rgb, models.rc)]
        p = array(post, "sample_stats/p_rc")
        out["mean"][test], out["std"][test] = (
            array(post, "point/mean")[:, -1],
            point_sd(post)[:, -1],
        )
        out["p_rc"][test], out["f_rgb"][test], out["f_rc"][test] = p, f[0], f[1]
        out["error"][test] = stated[test] * np.sqrt((1 - p) * f[0] ** 2 + p * f[1] ** 2)
        draws = array(post, "posterior/ln_mass")
        out["draws"][test] = draws.reshape(-1, draws.shape[-1]).T
    return out
