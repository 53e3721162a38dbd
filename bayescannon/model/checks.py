"""Are spectra fit to train on or to infer, and where do the errors of labels come from?"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from bayescannon.errors import DataWarning, UserError
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra

SEMI_SYNTHETIC, OBSERVED = "semi-synthetic", "as given"
"""What posteriors, catalogues and models say of the spectra behind them, as `data`."""
FLUX_RANGE = 0.3, 3.0
"""Where the median flux of normalised spectra can lie."""


def check_normalised(flux: np.ndarray, ivar: np.ndarray) -> None:
    """Refuse counts: error floors, line depths and the scatter are shares of the continuum."""
    level = float(np.median(flux[ivar > 0])) if (ivar > 0).any() else 1.0
    if not FLUX_RANGE[0] < level < FLUX_RANGE[1]:
        raise UserError(
            f"the median flux of the spectra is {level:.4g}, not near 1: divide them by their "
            "continuum first (`bayescannon ingest` does for APOGEE's files)"
        )


def error_sources(errors: np.ndarray, recipe: Recipe) -> dict[str, str]:
    """Say of each label where its errors come from."""
    said = {}
    for name, column in zip(recipe.labels.names, errors.T, strict=True):
        known = np.isfinite(column)
        default = recipe.training.label_errors.get(name) if recipe.training.noisy_labels else None
        rest = "none: taken as exact" if default is None else f"recipe, {default:g}"
        if known.any():
            gaps = "the table's median" if default is None else rest
            rest = "table" if known.all() else f"table; {(~known).sum()} stars {gaps}"
        said[name] = rest
    return said


def stated_errors(errors: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Label errors before training: the table's, else the recipe's; a gap takes the median."""
    out = errors.copy()
    for i, name in enumerate(recipe.labels.names):
        known = np.isfinite(out[:, i])
        stand_in = np.median(out[known, i]) if known.any() else 0.0
        if recipe.training.noisy_labels:
            stand_in = recipe.training.label_errors.get(name, stand_in)
        out[:, i] = np.where(known, out[:, i], stand_in)
    return out


def found_errors(model, stated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Random errors of catalogue labels as training found them, and their degrees of freedom.

    Parameters
    ----------
    model : Model
    stated : (star, label)
        Errors in the catalogue [label units], NaN where it says nothing.

    Returns
    -------
    sd, degrees : ndarray (star, label)
        Standard deviations: the recipe's or the catalogue's error, times the scale found; 0 where
        labels were taken as exact. Degrees of freedom are inf where errors are Gaussian.
    """
    report = model.report or {}
    scale, tails = report.get("error_scale"), report.get("error_degrees_of_freedom", {})
    degrees = np.array([tails.get(name, np.inf) for name in model.labels], float)
    if scale is None:
        return np.zeros_like(stated), np.broadcast_to(degrees, stated.shape)
    sd = np.array([scale[name] for name in model.labels]) / np.sqrt(1.0 - 2.0 / degrees)
    return stated_errors(stated, model.recipe) * sd, np.broadcast_to(degrees, stated.shape)


def kind_of_data(spectra: Spectra, name: str = "", report: Mapping[str, Any] | None = None) -> str:
    """Say whether spectra are semi-synthetic; warn where the model of a report is used on others.

    Parameters
    ----------
    spectra : Spectra
    name, report : str, mapping
        Of the model; without a report of training nothing is warned of.
    """
    if spectra.semi_synthetic:
        return SEMI_SYNTHETIC
    if data_mark(report):
        warnings.warn(
            f"model {name!r} was trained on semi-synthetic spectra and is not for real ones: "
            "train its recipe on real spectra",
            DataWarning,
            stacklevel=3,
        )
    return OBSERVED


def data_mark(made: Mapping[Any, Any] | None) -> str:
    """The mark that figures and closing lines carry: `semi-synthetic`, or nothing.

    Parameters
    ----------
    made : mapping, optional
        Attributes of a posterior, `meta` of a catalogue, or report of a model's training.
    """
    return SEMI_SYNTHETIC if (made or {}).get("data") == SEMI_SYNTHETIC else ""
