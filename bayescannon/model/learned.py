"""What training gives: arrays of a model by name, for labels taken as exact and as noisy."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from bayescannon.labels import Curvature, features, n_features
from bayescannon.model.error import Chi2Law, CoefficientNoise, LabelError, signal_to_noise
from bayescannon.recipe import Recipe
from bayescannon.training import (
    Choice,
    Setting,
    Status,
    choose,
    few_stars,
    find_curvature,
    fit_joint,
    fit_pixels,
    pose,
    shrink,
)
from bayescannon.training.regression import Shown

STARS_PER_FEATURE = 4
"""A state with fewer stars has no relation of its own."""
PLAIN = "plain Cannon"


class Learned(NamedTuple):
    """Arrays of the model by name, and what training has to say."""

    arrays: dict[str, Any]
    report: dict[str, Any]
    variance: np.ndarray
    """Of the errors in the scaled labels, as found, (star, label)."""
    shown: Shown | None = None
    """What the spectra of the training stars show."""


def from_exact(flux, ivar, scaled, variance, recipe: Recipe, progress) -> Learned:
    """Train the plain Cannon: labels are exact, pixels independent."""
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
    if usable.any():
        arrays["chi2_law"] = chi2_law(flux, ivar, scaled, arrays, recipe.labels.degree)
    return Learned(arrays, report, variance)


def from_noisy(flux, ivar, scaled, variance, recipe: Recipe, report) -> Learned:
    """Train on noisy labels in the way that predicts held-out stars best."""
    names, settings = recipe.labels.names, recipe.training
    prior = settings.label_error_prior
    setting = Setting(recipe.labels.degree, settings.factors, prior)
    choice = choose(flux, ivar, scaled, variance, setting)
    if choice.plain:
        learned = _plain(flux, ivar, scaled, variance, choice, recipe)
    else:
        learned = _joint(flux, ivar, scaled, variance, choice, recipe, report)
    budget = choice.budget
    said = {
        "chosen": PLAIN if choice.plain else "joint training",
        "held_out_ln_density": choice.scores,
        "error_budget": budget_report(budget, scaled, variance, recipe),
        "curvature_gain": curvature_gain(learned.arrays["label_error"].curvature, names),
    }
    return learned._replace(report=learned.report | said)


def _plain(flux, ivar, scaled, variance, choice: Choice, recipe: Recipe) -> Learned:
    complete = np.isfinite(scaled).all(axis=1)
    stars = (a[complete] for a in (flux, ivar, scaled, variance))
    learned = from_exact(*stars, recipe, None)
    v = np.asarray(features(jnp.asarray(scaled[complete]), recipe.labels.degree))
    leverage = np.linalg.pinv(v.T @ v)
    found, total, scale = _of_catalogue(choice, variance, recipe)
    report = {
        "factors": 0,
        "error_scale": scale,
        "rounds": [],
        "converged": True,
    }
    typical = float(np.median(np.einsum("ni,ij,nj->n", v, leverage, v)))
    law = LabelError(leverage, total, *_law(choice), typical, 0.0, choice.curvature)
    arrays = learned.arrays | {"label_error": law}
    if few_stars(v.shape[1], float(len(v)), flux.shape[1]):
        arrays["coefficient_noise"] = _noise(learned.arrays)
    own = np.where(np.isfinite(scaled), found, 1.0)
    shown = Shown(np.nan_to_num(scaled), own[:, :, None] * np.eye(scaled.shape[1]), scaled.shape[1])
    return Learned(arrays, learned.report | report, found, shown)


def _joint(flux, ivar, scaled, variance, choice: Choice, recipe: Recipe, report) -> Learned:
    settings, stars = recipe.training, (flux, ivar, scaled, variance)
    problem = pose(*stars, recipe.labels.degree, settings.factors)
    fit = fit_joint(problem, choice.rounds, report)
    found, total, scale = _of_catalogue(choice, variance, recipe)
    said = {
        "pixels": {
            "ok": int(fit.usable.sum()),
            Status.FEW_STARS.name.lower(): int((~fit.usable).sum()),
        },
        "factors": fit.factors.shape[1],
        "error_scale": scale,
        "rounds": [r._asdict() for r in fit.history],
        "converged": fit.converged,
    }
    arrays = {name: getattr(fit, name) for name in ("coefficients", "uncertainty", "scatter")}
    arrays |= {"usable": fit.usable, "factors": fit.factors}
    typical, shared = float(np.median(fit.alone.leverage)), fit.factors.shape[1] / len(scaled)
    # all stars, each left out, know more of it than the folds, which keep it out of the budget
    curvature = find_curvature(fit.alone, choice.budget, variance, recipe.labels.degree)
    law = (*_law(choice), typical, shared, curvature)
    arrays["label_error"] = LabelError(np.asarray(fit.leverage), total, *law)
    if fit.few_stars:
        arrays["coefficient_noise"] = _noise(arrays)
    arrays["chi2_law"] = chi2_law(flux, ivar, fit.labels, arrays, recipe.labels.degree)
    return Learned(arrays, said, found, fit.shown)


def _of_catalogue(
    choice: Choice, variance: np.ndarray, recipe: Recipe
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Variances of the catalogue's errors as found (star, label), the covariance of what catalogue
    and model miss together (label, label), and error scales by name."""
    scale = choice.budget.scale
    found = variance * scale**2
    total = choice.budget.model_covariance + np.diag(found.mean(axis=0))
    return found, total, dict(zip(recipe.labels.names, scale.tolist(), strict=True))


def chi2_law(flux, ivar, labels, arrays: dict[str, Any], degree: int) -> Chi2Law:
    """Reduced chi2 of the training stars at their scaled labels, (star, label)."""
    weight = arrays["usable"] * ivar / (1.0 + ivar * np.asarray(arrays["scatter"]) ** 2)
    predicted = np.asarray(features(jnp.asarray(labels), degree)) @ arrays["coefficients"].T
    n_pixel = (weight > 0).sum(axis=1)
    good = n_pixel > 2 * labels.shape[1]
    chi2 = np.sum(weight * (flux - predicted) ** 2, axis=1)[good]
    reduced = chi2 / (n_pixel[good] - labels.shape[1])
    snr = signal_to_noise(np.where(arrays["usable"], ivar, 0.0))[good]
    return Chi2Law.of(np.maximum(reduced, 1e-6), snr)


def _law(choice: Choice) -> tuple[np.ndarray, float, float]:
    return choice.budget.covariance, choice.budget.degrees, choice.budget.growth


def _noise(arrays: dict[str, Any]) -> CoefficientNoise:
    usable = arrays["usable"][:, None, None]
    return CoefficientNoise.of(np.where(usable, arrays["uncertainty"], 0.0))


def curvature_gain(curvature: Curvature | None, names: tuple[str, ...]) -> dict[str, float]:
    """What terms of the next degree gain in ln evidence, for labels that they correct."""
    gain = np.zeros(len(names)) if curvature is None else curvature.gain
    return {name: float(g) for name, g in zip(names, gain, strict=True) if g > 0}


def budget_warnings(report: dict[str, Any], n_star: int, recipe: Recipe) -> list[str]:
    """Say in one line each what a user has to know of a training on noisy labels."""
    out, budget = [], report["error_budget"]
    doubt = 2.0 * recipe.training.label_error_prior
    for name, errors in budget["labels"].items():
        stated, found, own = errors["stated"], errors["catalogue"], errors["model"]
        if own > found:
            out.append(
                f"{name}: most of what catalogue and spectra disagree is the model's own error, "
                f"{own:.3g} (catalogue {found:.3g}); it is part of every posterior"
            )
        if stated > 0 and found > 0 and abs(np.log(found / stated)) > doubt:
            out.append(
                f"{name}: errors are stated as {stated:.3g}, but the data say {found:.3g}, beyond "
                "'label_error_prior'"
            )
        if stated == 0:
            out.append(f"{name}: no error is stated, so it is taken as exact; give {name}_err")
    for name, gain in report["curvature_gain"].items():
        out.append(
            f"{name}: spectra bend more than degree {recipe.labels.degree} allows (ln evidence "
            f"{gain:.0f}); inferred labels are corrected for it"
        )
    needed = STARS_PER_FEATURE * n_features(len(recipe.labels.names), recipe.labels.degree)
    if n_star < needed:
        out.append(f"{n_star} stars for {needed // STARS_PER_FEATURE} features: use {needed}")
    if report["chosen"] == PLAIN:
        out.append("the plain Cannon predicts held-out stars better and was taken")
    if not report["converged"]:
        out.append(f"labels still moved after {len(report['rounds'])} rounds, as many as chosen")
    return out


def budget_report(budget, scaled, variance, recipe: Recipe) -> dict[str, Any]:
    """Give each label's errors in units of its scale: stated, as found, and the model's own."""
    stated = np.sqrt(np.nanmean(np.where(np.isfinite(scaled), variance, np.nan), axis=0))
    own = np.sqrt(np.diagonal(budget.model_covariance))
    columns = zip(recipe.labels.names, stated, stated * budget.scale, own, strict=True)
    return {
        "labels": {
            name: {"stated": float(a), "catalogue": float(b), "model": float(c)}
            for name, a, b, c in columns
        },
        "degrees_of_freedom": budget.degrees if np.isfinite(budget.degrees) else None,
        "growth_with_leverage": budget.growth,
        "gain": float(budget.gain),
        "gain_needed": float(budget.needed),
    }
