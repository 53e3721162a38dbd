"""From a model of the direct labels to one that knows an indirect label: mass, or age."""

import jax.numpy as jnp
import numpy as np

from bayescannon.labels import features, features_of, n_features
from bayescannon.model.learned import STARS_PER_FEATURE, Learned
from bayescannon.recipe import Recipe
from bayescannon.states import STATES, Relation
from bayescannon.training.noise import NoiseBudget
from bayescannon.training.regression import Fitted, Shown, expected_features
from bayescannon.training.relation import fit_relation

HOLD_CARBON = ("c_m", "n_m")
"""Labels that are no given ones where a mass is asked for: they tell of it."""
RESPONSE_RIDGE = 1.0
"""Of the factors' regression on labels, in units of one star's information."""
LITTLE = 0.97
"""A label that spectra narrow by less is not seen."""


def with_indirect(
    learned: Learned,
    scaled: np.ndarray,
    variance: np.ndarray,
    state: np.ndarray,
    recipe: Recipe,
    unit: float,
) -> Learned:
    """Fit the relation of the indirect label, and give the model's arrays over all labels.

    Parameters
    ----------
    learned : Learned
        Of the direct labels.
    scaled, variance : (star, label)
        Scaled catalogue labels, NaN where missing, and stated variances of their errors.
    state : (star,)
        `rgb`, `rc`, or empty.
    recipe : Recipe
    unit : float
        Scale of the indirect label, for the report.

    Returns
    -------
    Learned
    """
    names, shown = recipe.labels.names, learned.shown
    assert shown is not None  # trained on noisy labels
    at = names.index(recipe.training.carried[0])
    observed, stated = scaled[:, at], variance[:, at]
    groups, said = _groups(state, np.isfinite(observed), len(names))
    direct = np.delete(np.arange(len(names)), at)
    given = np.array([k for k, i in enumerate(direct) if names[i] not in HOLD_CARBON])
    budget = NoiseBudget(recipe.training.label_error_prior, recipe.training.noise_shares)
    relation, fits = fit_relation(shown, observed, stated, list(groups.values()), budget, given)
    scale2 = np.full(len(observed), np.mean([f.f2 for f in fits]))
    best = np.array(observed)
    for g, fit in zip(groups.values(), fits, strict=True):
        scale2[g] = fit.f2
        best[g] = _best(shown.of(g).turned(relation.turn), observed[g], fit.f2 * stated[g], fit)
    relation = relation._replace(response=_response(shown, scaled, best, direct, at))
    found = np.insert(learned.variance, at, scale2 * stated, axis=1)
    report = _report(relation, fits, groups, stated, budget, unit)
    report = {"relation": report, "states": said} | learned.report
    scales = learned.report["error_scale"] | {names[at]: float(np.sqrt(scale2.mean()))}
    report["error_scale"] = {name: scales[name] for name in names}
    arrays = _over_all(learned.arrays, relation, direct, recipe)
    return Learned(arrays, report, found)


def _groups(state, known, n_label: int):
    """Stars of each state where enough are told; all of them otherwise."""
    groups = {name: (state == name) & known for name in STATES}
    needed = STARS_PER_FEATURE * n_features(n_label, 2)
    if min(g.sum() for g in groups.values()) >= needed:
        return groups, {"unknown": int((~(groups["rgb"] | groups["rc"])).sum())}
    none = f"none: each needs {needed} training stars whose state is told"
    return {"all": known}, none


def _best(shown: Shown, observed, error2, fit: Fitted) -> np.ndarray:
    """The label of each star as catalogue and spectrum have it together."""
    expected = expected_features(shown)[0] @ fit.mean
    share = fit.tau2 / (fit.tau2 + error2)
    return expected + share * (observed - expected)


def _response(shown: Shown, scaled, best, direct, at) -> np.ndarray:
    """Expected factors (factor, feature) as a quadratic in all labels."""
    labels = np.empty(scaled.shape)
    labels[:, direct], labels[:, at] = shown.mean[:, : shown.n_label], best
    known = np.isfinite(best)
    v = np.asarray(features(jnp.asarray(labels[known])))
    normal = v.T @ v + RESPONSE_RIDGE * np.eye(v.shape[1])
    return np.linalg.solve(normal, v.T @ shown.mean[known, shown.n_label :]).T


def _over_all(arrays: dict, relation: Relation, direct: np.ndarray, recipe: Recipe) -> dict:
    """Coefficients over the features of all labels."""
    n_label, degree = len(recipe.labels.names), recipe.labels.degree
    there, n_feature = features_of(direct, n_label, degree), n_features(n_label, degree)
    factors = np.asarray(arrays["factors"])
    coefficients = np.zeros((len(factors), n_feature))
    coefficients[:, there] = arrays["coefficients"]
    uncertainty = np.zeros((len(factors), n_feature, n_feature))
    uncertainty[:, there[:, None], there[None]] = arrays["uncertainty"]
    coefficients += factors @ relation.response
    more = {"coefficients": coefficients, "uncertainty": uncertainty, "relation": relation}
    return arrays | more


def _report(relation: Relation, fits, groups, stated, budget: NoiseBudget, unit: float) -> dict:
    """What was found in each state, in label units: scatter at given spectra, with its range."""
    out = {}
    for (name, g), fit, wide in zip(groups.items(), fits, relation.plain_scatter, strict=True):
        error2 = float(fit.f2 * np.mean(stated[g]))
        low, high = np.quantile(fit.scatter, [0.16, 0.84])
        if budget.shares:
            low, high = (np.sqrt((fit.tau2 + error2) * (1 - e)) for e in budget.ends[::-1])
        sizes = {
            "scatter": np.sqrt(fit.tau2),
            "scatter_low": low,
            "scatter_high": high,
            "scatter_without_spectra": wide,
            "catalogue_error": np.sqrt(error2),
        }
        out[name] = {kind: unit * float(size) for kind, size in sizes.items()}
        out[name] |= {"stars": int(g.sum()), "error_scale": float(np.sqrt(fit.f2))}
    return out


def is_seen(report: dict) -> bool:
    """Whether spectra say more of the label than the other labels do."""
    parts = report["relation"].values()
    return any(p["scatter"] < LITTLE * p["scatter_without_spectra"] for p in parts)


def relation_warnings(report: dict, name: str, shares: dict) -> list[str]:
    """Say in one line each what a user has to know of the relation."""
    out = []
    for state, found in report["relation"].items():
        where = "" if state == "all" else f" ({state})"
        out.append(
            f"{name}{where}: true scatter about spectra {found['scatter']:.3f}, from "
            f"{found['scatter_low']:.3f} to {found['scatter_high']:.3f} as the noise of catalogue "
            f"values allows ({'noise_shares' if shares else 'stated errors believed'})"
        )
    return out
