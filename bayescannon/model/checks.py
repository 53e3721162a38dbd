"""Are spectra fit to train on, and where do the errors of labels come from?"""

import numpy as np

from bayescannon.errors import UserError
from bayescannon.recipe import Recipe

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
