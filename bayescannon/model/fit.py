"""`train`: from spectra, labels and a recipe to a model."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from astropy.table import Table

from bayescannon.errors import UserError
from bayescannon.labels import (
    check_labels,
    evolutionary_states,
    features,
    fit_bent_population,
    fit_population,
    label_arrays,
    learn_scaling,
    n_features,
    tell_oddities,
)
from bayescannon.model.card import with_certificate
from bayescannon.model.checks import check_normalised, error_sources
from bayescannon.model.model import LabelMap, Model, stated_errors
from bayescannon.precision import require_float64
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra
from bayescannon.spectra.photons import photon_ivar
from bayescannon.states import STATES, StateRelation, States, fit_logistic
from bayescannon.training import (
    DEGREES_OF_FREEDOM,
    Joint,
    Round,
    Status,
    fit_channels,
    fit_joint,
    fit_pixels,
    shrink,
)

STARS_PER_FEATURE = 4
"""A state with fewer stars has no relation of its own."""
RIDGE = 0.3
"""Of the logistic regression for P(rc)."""


def train(
    spectra: Spectra,
    labels: Table,
    recipe: Recipe,
    progress: Callable[[int], None] | None = None,
    report: Callable[[Round], None] | None = None,
) -> Model:
    """Train a model: coefficients and scatter of every pixel (Eqs. 1 and 2).

    Parameters
    ----------
    spectra : Spectra
        Normalised spectra of the training stars.
    labels : astropy.table.Table
        `star_id`, a column for each label of the recipe and `<label>_err` where known. NaN is a
        label that is not known: with noisy labels the star still counts, with exact ones it is
        left out and counted in the report. With `by_state` in the recipe, `state` or `evstate`
        too; stars of unknown state train the pixels only. Without such a column, or with too few
        stars of a state, the model knows no states, and its report says so.
    recipe : Recipe
        Which labels, which degree, and how to train (`TrainingRecipe`).
    progress : callable, optional
        Called with the number of pixels done (exact labels).
    report : callable, optional
        Called with each `Round` (noisy labels): the objective and how far labels moved.

    Returns
    -------
    Model

    Raises
    ------
    UserError
        If stars and labels do not match, labels are unknown, constant or depend on each other,
        there are too few stars, or spectra are not normalised.

    Warns
    -----
    DataWarning
        Of labels far from all others, and of errors that lack or are larger than the spread.
    """
    require_float64()
    start = time.perf_counter()
    names, settings = recipe.labels.names, recipe.training
    values, errors = label_arrays(labels, names, spectra.star_id)
    flux, ivar = spectra.arrays()
    if spectra.channel is None:
        check_normalised(flux, ivar)
    ivar[ivar < recipe.pixels.max_error**-2.0] = 0.0
    ivar = photon_ivar(ivar, recipe.errors)
    known = np.isfinite(values)
    enough = known.any(axis=1) if settings.noisy_labels else known.all(axis=1)
    use = enough & (ivar > 0).any(axis=1)
    check_labels(names, values, use & known.all(axis=1), recipe.labels.degree)
    tell_oddities(names, values, errors, spectra.star_id)
    missing = (~known).sum(axis=0).tolist()
    values, errors, flux, ivar = (a[use] for a in (values, errors, flux, ivar))
    scaling = learn_scaling(values)
    scaled = scaling.to_scaled(values)
    variance = (stated_errors(errors, recipe) / scaling.scale) ** 2
    if settings.noisy_labels and spectra.channel is not None:
        learned = _from_channels(flux, ivar, scaled, variance, scaling, recipe)
    elif settings.noisy_labels:
        state = evolutionary_states(labels, spectra.star_id) if settings.by_state else None
        state = np.full(use.sum(), "") if state is None else state[use]
        learned = _from_noisy(flux, ivar, scaled, variance, state, recipe, report)
    else:
        learned = _from_exact(flux, ivar, scaled, variance, recipe, progress)
    complete = np.isfinite(scaled).all(axis=1)
    said = {
        "stars": int(use.sum()),
        "stars_left_out": int((~use).sum()),
        "missing_labels": dict(zip(names, missing, strict=True)),
        "label_errors": error_sources(errors, recipe),
        "scatter_percentiles_5_50_95": _percentiles(learned.arrays["scatter"]),
        **learned.report,
        "seconds": time.perf_counter() - start,
    }
    return Model(
        recipe=recipe,
        scaling=scaling,
        label_range=np.stack([np.nanmin(values, axis=0), np.nanmax(values, axis=0)]),
        wavelength=spectra.wavelength,
        channel=tuple(spectra.channel) if spectra.channel else None,
        population=fit_population(
            jnp.asarray(scaled[complete]), jnp.asarray(learned.variance[complete])
        ),
        card=with_certificate(_card(recipe, values, said), None),
        report=said,
        **learned.arrays,
    )


class _Learned(NamedTuple):
    """Arrays of the model by name, and what training has to say."""

    arrays: dict[str, Any]
    report: dict[str, Any]
    variance: np.ndarray
    """Of the errors in the scaled labels, as found, (star, label)."""


def _from_exact(flux, ivar, scaled, variance, recipe: Recipe, progress) -> _Learned:
    v = np.asarray(features(jnp.asarray(scaled), recipe.labels.degree))
    fit = fit_pixels(flux, ivar, v, progress)
    status = np.asarray(fit.status)
    usable = status == Status.OK
    coefficients, uncertainty = fit.coefficients, fit.covariance
    if recipe.training.shrinkage and usable.any():
        coefficients, uncertainty, _ = shrink(coefficients, uncertainty, usable.astype(float))
    report = {
        "pixels": {s.name.lower(): int((status == s).sum()) for s in Status},
        "iterations_mean": float(fit.iterations[usable].mean()) if usable.any() else None,
    }
    arrays = {
        "coefficients": np.asarray(coefficients),
        "uncertainty": np.asarray(uncertainty),
        "scatter": np.asarray(fit.scatter),
        "usable": usable,
        "factors": np.zeros((len(usable), 0)),
    }
    return _Learned(arrays, report, variance)


def _from_noisy(flux, ivar, scaled, variance, state, recipe: Recipe, report) -> _Learned:
    names, settings = recipe.labels.names, recipe.training
    carried = tuple(names.index(name) for name in settings.carried)
    degree = recipe.labels.degree
    groups = [state == name for name in STATES]
    needed = STARS_PER_FEATURE * n_features(len(names), degree)
    groups = groups if min(g.sum() for g in groups) >= needed else []
    known = (flux, ivar, scaled, variance, degree, carried, settings.factors)
    fit = fit_joint(*known, report, groups)
    few = int((~fit.usable).sum())
    said = {
        "pixels": {"ok": int(fit.usable.sum()), Status.FEW_STARS.name.lower(): few},
        "factors": fit.factors.shape[1],
        "error_scale": dict(zip(names, fit.error_scale.tolist(), strict=True)),
        "rounds": [r._asdict() for r in fit.history],
        "converged": fit.converged,
    }
    arrays = {name: getattr(fit, name) for name in ("coefficients", "uncertainty", "scatter")}
    arrays |= {"usable": fit.usable, "factors": fit.factors}
    arrays["label_map"] = LabelMap(np.asarray(fit.leverage), np.asarray(fit.label_covariance))
    if groups:
        arrays["states"], said["states"] = _states(fit, groups, scaled, variance, recipe)
    elif settings.by_state:
        said["states"] = f"none: each needs {needed} training stars whose state is told"
    return _Learned(arrays, said, variance * np.asarray(fit.error_scale) ** 2)


def _states(fit: Joint, groups, scaled, variance, recipe: Recipe) -> tuple[States, dict[str, Any]]:
    """Relations of both states, and P(rc) from the labels that spectra show themselves."""
    names, relations, said = recipe.labels.names, [], {}
    carried = tuple(names.index(name) for name in recipe.training.carried)
    for name, use, group in zip(STATES, groups, fit.groups, strict=True):
        complete = use & np.isfinite(scaled).all(axis=1)
        noise = variance[complete] * group.error_scale**2 / group.trust[complete]
        known = (scaled[complete], noise, carried, group.labels[complete])
        population = fit_bent_population(*known)
        parts = (group.offset, group.root, group.label_covariance)
        relations.append(StateRelation(*map(np.asarray, parts), population))
        scale = dict(zip(names, group.error_scale.tolist(), strict=True))
        degrees = zip(names, group.degrees.tolist(), strict=True)
        said[name] = {
            "stars": int(use.sum()),
            "error_scale": scale,
            "error_degrees_of_freedom": {n: d for n, d in degrees if np.isfinite(d)},
        }
    either, in_rc = groups[0] | groups[1], groups[1]
    direct = [i for i, name in enumerate(names) if name not in recipe.training.carried]
    v = features(jnp.asarray(fit.labels[:, direct]))[either]
    log_odds = np.asarray(fit_logistic(v, in_rc[either], RIDGE))
    said["unknown"] = int((~either).sum())
    return States(*relations, log_odds, float(in_rc.sum() / either.sum())), said


def _from_channels(flux, ivar, scaled, variance, scaling, recipe: Recipe) -> _Learned:
    """First the labels' own channels, in their order, then those that tell of the carried label.

    A label's own channel is that label up to a linear map, without scatter of its own.
    """
    names, carried = recipe.labels.names, recipe.training.carried
    known = len(names) - 1
    if carried != names[-1:] or recipe.labels.degree != 2 or flux.shape[1] <= known:
        raise UserError(
            "a model of channels needs degree 2, the last label carried, a channel for each "
            "other label, in their order, and at least one channel more"
        )
    use = (ivar > 0).all(axis=1) & np.isfinite(scaled[:, :known]).all(axis=1)
    fit = fit_channels(
        scaled[use][:, :known], flux[use][:, known:], scaled[use][:, -1], variance[use][:, -1]
    )
    coefficients = np.zeros((flux.shape[1], n_features(len(names), 2)))
    for i in range(known):
        line = np.polyfit(scaled[use][:, i], flux[use][:, i], 1)
        coefficients[i, 1 + i], coefficients[i, 0] = line
    coefficients[known:] = fit.coefficients
    # errors that the training channels were given are part of the scatter found: taken out
    noise = np.diag(np.mean(1.0 / ivar[use][:, known:], axis=0))
    values, axes = np.linalg.eigh(fit.covariance - noise)
    rest = np.maximum(values, 1e-8)
    floor = 0.5 * rest[0]
    factors = np.zeros((flux.shape[1], len(rest)))
    factors[known:] = axes * np.sqrt(rest - floor)
    scatter = np.r_[np.zeros(known), np.full(len(rest), np.sqrt(floor))]
    scales = dict.fromkeys(names, 1.0) | {names[-1]: fit.error_scale}
    arrays = {"coefficients": coefficients, "uncertainty": None, "scatter": scatter}
    arrays |= {"usable": np.ones(flux.shape[1], bool), "factors": factors}
    found = variance.copy()
    found[:, -1] *= fit.error_scale**2
    found[use, -1] = fit.variance
    report = {
        "error_scale": scales,
        "error_degrees_of_freedom": {names[-1]: DEGREES_OF_FREEDOM},
        "factors": len(rest),
        "pixels": {"ok": flux.shape[1]},
    }
    return _Learned(arrays, report, found)


def _percentiles(scatter: np.ndarray) -> list[float] | None:
    positive = scatter[scatter > 0]
    return np.percentile(positive, [5, 50, 95]).tolist() if positive.size else None


def _card(recipe: Recipe, values: np.ndarray, report: dict) -> str:
    rows = [
        f"| {name} | {low:.4g} | {high:.4g} |"
        for name, low, high in zip(
            recipe.labels.names, np.nanmin(values, axis=0), np.nanmax(values, axis=0), strict=True
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
