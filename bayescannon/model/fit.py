"""`train`: from spectra, labels and a recipe to a model."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from astropy.table import Table

from bayescannon.errors import UserError
from bayescannon.labels import (
    check_labels,
    evolutionary_states,
    fit_population,
    known_states,
    label_arrays,
    learn_scaling,
    n_features,
    tell_oddities,
)
from bayescannon.model.by_state import StateModels
from bayescannon.model.checks import (
    check_normalised,
    error_sources,
    kind_of_data,
    stated_errors,
)
from bayescannon.model.indirect import is_seen, relation_warnings, with_indirect
from bayescannon.model.learned import Learned, budget_warnings, from_exact, from_noisy
from bayescannon.model.model import Model
from bayescannon.model.store import with_certificate
from bayescannon.precision import require_float64
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra
from bayescannon.states import STATES, fit_states
from bayescannon.training import DEGREES_OF_FREEDOM, Round, fit_channels

UNSEEN = "{}: no factor of the spectra shows it, so it acts on every pixel as a label of its own"
RIDGE = 0.3
"""Of the logistic regression for P(rc) from all channels."""


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
    ivar = recipe.errors.photon_ivar(ivar)
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
        learned = _from_noisy(flux, ivar, scaled, variance, scaling, state, recipe, report)
    else:
        learned = from_exact(flux, ivar, scaled, variance, recipe, progress)
    complete = np.isfinite(scaled).all(axis=1)
    said: dict[str, Any] = {
        "data": kind_of_data(spectra),
        "stars": int(use.sum()),
        "stars_left_out": int((~use).sum()),
        "missing_labels": dict(zip(names, missing, strict=True)),
        "label_errors": error_sources(errors, recipe),
        "scatter_percentiles_5_50_95": _percentiles(learned.arrays["scatter"]),
        **learned.report,
        "seconds": time.perf_counter() - start,
    }
    if "error_budget" in said:
        units = dict(zip(names, scaling.scale.tolist(), strict=True))
        for name, errors in said["error_budget"]["labels"].items():
            errors |= {kind: value * units[name] for kind, value in errors.items()}
        said["warnings"] = budget_warnings(said, int(use.sum()), recipe.direct)
        if "unseen" in said:
            said["warnings"].append(UNSEEN.format(said["unseen"]))
    for name in settings.carried if "relation" in said else ():
        said["warnings"] += relation_warnings(said, name, settings.noise_shares)
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


def _from_noisy(flux, ivar, scaled, variance, scaling, state, recipe, report) -> Learned:
    """Train pixels on the direct labels, then the relation of the indirect one."""
    direct = [recipe.labels.names.index(name) for name in recipe.direct.labels.names]
    known = (scaled[:, direct], variance[:, direct])
    learned = from_noisy(flux, ivar, *known, recipe.direct, report)
    if not recipe.training.carried:
        return learned
    unit = scaling.scale[recipe.labels.names.index(recipe.training.carried[0])]
    learned = with_indirect(learned, scaled, variance, state, recipe, float(unit))
    if is_seen(learned.report):
        return learned
    settings = replace(recipe.training, carried=(), by_state=False)
    learned = from_noisy(flux, ivar, scaled, variance, replace(recipe, training=settings), report)
    return learned._replace(report=learned.report | {"unseen": recipe.training.carried[0]})


def _from_channels(flux, ivar, scaled, variance, scaling, recipe: Recipe) -> Learned:
    """First the labels' own channels, in their order, then those that tell of the indirect label.

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
    return Learned(arrays, report, found)


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
            *_errors_card(report),
        ]
    )


def _errors_card(report: dict) -> list[str]:
    """The error budget as a table, and what there is to warn of."""
    if "error_budget" not in report:
        return []
    rows = [
        f"| {name} | {e['stated']:.3g} | {e['catalogue']:.3g} | {e['model']:.3g} |"
        for name, e in report["error_budget"]["labels"].items()
    ]
    return [
        "Errors of the training labels as stated and as found, and the model's own in the labels:",
        "",
        "| label | stated | catalogue | model |",
        "|---|---|---|---|",
        *rows,
        "",
        *(f"- {line}" for line in report["warnings"]),
        "",
    ]


def train_by_state(
    spectra: Spectra, labels: Table, state: np.ndarray, recipe: Recipe
) -> StateModels:
    """Train a model on the stars of each state, and P(rc) on all of them.

    Parameters
    ----------
    spectra, labels, recipe
        As for `train`.
    state : array of str (star,)
        `rgb` or `rc`, or another of `labels.table.STATE_WORDS`.
    """
    state = known_states(state)
    if not np.isin(state, STATES).all():
        raise UserError(f"states must be {' or '.join(STATES)} for every training star")
    flux, ivar = spectra.arrays()
    complete = (ivar > 0).all(axis=1)
    found = fit_states(flux[complete], state[complete] == "rc", RIDGE)
    pivot, scale, log_odds = map(np.asarray, (found.pivot, found.scale, found.log_odds))
    rgb, rc = (train(spectra[np.flatnonzero(state == s)], labels, recipe) for s in STATES)
    return StateModels(rgb, rc, pivot, scale, log_odds, float(np.mean(state == "rc")))
