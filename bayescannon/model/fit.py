"""`train`: from spectra, labels and a recipe to a model."""

import time
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from astropy.table import Table

from ..errors import UserError
from ..labels import features, fit_population, label_arrays, learn_scaling, n_features
from ..recipe import Recipe
from ..spectra import Spectra
from ..train import Status, fit_pixels
from .model import Model


def train(
    spectra: Spectra,
    labels: Table,
    recipe: Recipe,
    progress: Callable[[int], None] | None = None,
) -> Model:
    """Train a model: coefficients and scatter of every pixel (Eqs. 1 and 2).

    Parameters
    ----------
    spectra : Spectra
        Normalised spectra of the training stars.
    labels : astropy.table.Table
        `star_id`, a column for each label of the recipe and `<label>_err` where known. A star
        with a NaN label is left out and counted in the report.
    recipe : Recipe
        Which labels, which degree.
    progress : callable, optional
        Called with the number of pixels done.

    Returns
    -------
    Model

    Raises
    ------
    UserError
        If stars and labels do not match, a label is constant or unknown for all, or there are
        fewer stars than coefficients.
    """
    start = time.perf_counter()
    names = recipe.labels.names
    values, errors = label_arrays(labels, names, spectra.star_id)
    flux, ivar = spectra.arrays()
    complete = np.isfinite(values).all(axis=1) & (ivar > 0).any(axis=1)
    _check(values, complete, recipe)
    values, errors, flux, ivar = (a[complete] for a in (values, errors, flux, ivar))

    scaling = learn_scaling(values)
    scaled = scaling.to_scaled(values)
    v = np.asarray(features(jnp.asarray(scaled), recipe.labels.degree))
    fit = fit_pixels(flux, ivar, v, progress)
    variance = np.nan_to_num(errors / scaling.scale) ** 2
    status = np.asarray(fit.status)
    usable = status == Status.OK
    report = {
        "stars": int(complete.sum()),
        "stars_left_out": int((~complete).sum()),
        "pixels": {s.name.lower(): int((status == s).sum()) for s in Status},
        "iterations_mean": float(fit.iterations[usable].mean()) if usable.any() else None,
        "scatter_percentiles_5_50_95": (
            np.percentile(fit.scatter[usable], [5, 50, 95]).tolist() if usable.any() else None
        ),
        "seconds": time.perf_counter() - start,
    }
    return Model(
        recipe=recipe,
        scaling=scaling,
        label_range=np.stack([values.min(axis=0), values.max(axis=0)]),
        wavelength=spectra.wavelength,
        channel=tuple(spectra.channel) if spectra.channel else None,
        coefficients=np.asarray(fit.coefficients),
        scatter=np.asarray(fit.scatter),
        usable=usable,
        factors=np.zeros((len(usable), 0)),
        population=fit_population(jnp.asarray(scaled), jnp.asarray(variance)),
        card=_card(recipe, values, report),
        report=report,
    )


def _check(values: np.ndarray, complete: np.ndarray, recipe: Recipe) -> None:
    names = recipe.labels.names
    for name, column in zip(names, values.T, strict=True):
        if not np.isfinite(column).any():
            raise UserError(f"label {name!r} is NaN for every star: drop it from the recipe")
        if np.nanstd(column) <= 1e-12 * max(1.0, np.nanmax(np.abs(column))):
            raise UserError(f"label {name!r} is the same for every star: drop it from the recipe")
    needed = n_features(len(names), recipe.labels.degree) + 2
    if complete.sum() < needed:
        raise UserError(
            f"{complete.sum()} stars have all labels and a spectrum, but {len(names)} labels of "
            f"degree {recipe.labels.degree} need at least {needed}: add stars or drop labels"
        )


def _card(recipe: Recipe, values: np.ndarray, report: dict) -> str:
    rows = [
        f"| {name} | {low:.4g} | {high:.4g} |"
        for name, low, high in zip(
            recipe.labels.names, values.min(axis=0), values.max(axis=0), strict=True
        )
    ]
    return "\n".join(
        [
            f"# {recipe.name}",
            "",
            f"A quadratic-in-labels model (degree {recipe.labels.degree}) trained on "
            f"{report['stars']} stars; {report['pixels']['ok']} usable pixels.",
            "",
            "| label | lowest in training | highest in training |",
            "|---|---|---|",
            *rows,
            "",
            "A star outside these ranges is extrapolated: it is flagged `OUTSIDE_TRAINING`.",
            "",
        ]
    )
