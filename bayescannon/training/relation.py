"""What spectra show of a star, and what that says of an indirect label: mass, or age.

Dredge-up and mass loss tie carbon and nitrogen to mass, in one way on the giant branch and in
another in the clump. Joint training finds what carbon and nitrogen do to spectra as residual
factors, without knowing their names. The relation is a regression for each evolutionary state,

    label ~ N(g . v(x), tau^2),   catalogue value ~ N(label, (f x stated error)^2),

and the state itself a logistic regression on the same features. x holds the direct labels and few
directions of the factors: the one along which the label changes in each state, and the one that
tells the states apart (reduced-rank regression). v(x) are the features of Eq. 2. `relation_program`
is the definition; `fit_relation` gives draws of its posterior. x is known with an error of its own,
which is part of the likelihood, so that stars of any S/N may follow.
"""

import numpy as np
from jaxtyping import Bool, Int

from bayescannon.states import Relation
from bayescannon.training.noise import NoiseBudget
from bayescannon.training.regression import (
    N_DRAW,
    Fitted,
    Shown,
    kinds,
    regress,
)
from bayescannon.training.state_odds import tell_states
from bayescannon.typing import Stars

LEAST_GAIN = 1e-3
"""The label's variance at given other labels is larger than at given spectra, by this at least."""


def fit_relation(
    shown: Shown,
    observed: Stars,
    stated: Stars,
    groups: list[Bool[np.ndarray, "star"]],
    noise: NoiseBudget,
    given: Int[np.ndarray, "given"],
) -> tuple[Relation, list[Fitted]]:
    """Fit the relation of an indirect label.

    Parameters
    ----------
    shown : Shown
        Of the training stars, each left out of the pixels that inferred it.
    observed, stated : (star,)
        Scaled catalogue values, NaN where not known, and the variance of their errors as stated.
    groups : list of (star,)
        Stars of each state; all stars where no state is told.
    noise : NoiseBudget
        What is known of those errors.
    given : (given,)
        Positions of the direct labels that hold no carbon and nitrogen.

    Returns
    -------
    relation : Relation
    fits : list of Fitted
        Of each state.
    """
    rng, known = np.random.default_rng(0), np.isfinite(observed)
    groups = [g & known for g in groups]
    turn = _directions(shown, observed, stated, groups, noise, rng)
    seen = shown.turned(turn)
    kind = kinds(seen.n_label, seen.mean.shape[1])
    fits, plain, plain_scatter = [], [], []
    alone = Shown(seen.mean[:, given], seen.covariance[:, given][:, :, given], len(given))
    for g in groups:
        fit, without = (regress(s.of(g), observed[g], stated[g], noise, rng) for s in (seen, alone))
        more = max(float(without.missed - fit.missed), 0.0)
        fits.append(fit)
        plain.append(without.mean)
        plain_scatter.append(np.sqrt(fit.tau2 * (1 + LEAST_GAIN) + more))
    log_odds = np.zeros((N_DRAW, 0))
    if len(groups) > 1:
        either = groups[0] | groups[1]
        told = tell_states(seen.of(either), groups[1][either], kind)
        log_odds = np.array([told.draw(rng) for _ in range(N_DRAW)])
    relation = Relation(
        turn=turn,
        coefficients=np.array([f.coefficients for f in fits]),
        scatter=np.sqrt([f.tau2 for f in fits]),
        given=np.asarray(given),
        plain=np.array(plain),
        plain_scatter=np.array(plain_scatter),
        log_odds=log_odds,
        response=np.zeros((shown.mean.shape[1] - shown.n_label, 0)),
    )
    return relation, fits


def _directions(shown: Shown, observed, stated, groups, noise, rng) -> np.ndarray:
    """Axes (factor, direction) along which the label changes in each state, and the state itself.

    From regressions that are linear in the factors.
    """
    n_factor = shown.mean.shape[1] - shown.n_label
    wanted = len(groups) + (len(groups) > 1)
    if n_factor <= wanted:
        return np.eye(n_factor)
    kind = kinds(shown.n_label, shown.mean.shape[1])
    kind, factors = np.where(kind > 2, -1, kind), np.flatnonzero(kind == 2)
    rows = [
        regress(shown.of(g), observed[g], stated[g], noise, rng, kind).mean[factors] for g in groups
    ]
    if len(groups) > 1:
        either = groups[0] | groups[1]
        told = tell_states(shown.of(either), groups[1][either], kind)
        rows.append(told.mean[factors])
    scaled = [row / np.linalg.norm(row) for row in rows]
    return np.linalg.svd(np.array(scaled))[2][:wanted].T
