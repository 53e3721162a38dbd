"""Inner folds: which training predicts stars best that it has not seen, and how well.

The plain Cannon and every round of joint training are candidates. All folds share the shapes of
the whole training set, a weight for each star says who trains, so that one compiled program
serves all; what it says of the others is the held-out part.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from bayescannon.training.budget import TAILS, ErrorBudget, Residuals, fit_budget
from bayescannon.training.joint import Problem, iterate, plain, pose
from bayescannon.training.latent import Layout
from bayescannon.training.result import Snapshot
from bayescannon.typing import StarLabels, StarPixels

FOLDS = 5
MOST_NUMBERS = 2.5e6
"""Stars times pixels: of larger training sets every so many-th pixel is used in the folds."""
SURE = 2.0
"""A shorter training, or a plainer one, is taken where it is better by so many standard errors."""


class Candidate(NamedTuple):
    """A way of training and what it says of stars that it has not seen.

    `rounds` is None for the plain Cannon; `log_density` (star,) is that of the catalogue labels.
    """

    carried: tuple[int, ...]
    rounds: int | None
    residuals: Residuals
    log_density: np.ndarray


class Choice(NamedTuple):
    """The training that was chosen, its error budget, and the score of every candidate.

    `rounds` is None for joint training until it converges.
    """

    plain: bool
    carried: tuple[int, ...]
    rounds: int | None
    budget: ErrorBudget
    scores: dict[str, list[float]]


class Setting(NamedTuple):
    """What training is told, beside the stars."""

    degree: int = 2
    carried: tuple[int, ...] = ()
    most_factors: int = 20
    prior_ln_scale: float = 0.15


def choose(
    flux: StarPixels,
    ivar: StarPixels,
    observed: StarLabels,
    variance: StarLabels,
    setting: Setting,
) -> Choice:
    """Compare ways of training on held-out stars.

    Parameters
    ----------
    flux, ivar, observed, variance
        As for `pose`.
    setting : Setting

    Returns
    -------
    Choice
    """
    step = int(np.ceil(flux.size / MOST_NUMBERS))
    stars = (flux[:, ::step], ivar[:, ::step], observed, variance)
    fold = assign(observed, FOLDS)
    problem = pose(*stars, setting.degree, setting.carried, setting.most_factors)
    joint = _joint_candidates(problem, fold, setting)
    candidates = [_plain_candidate(stars, fold, setting), *joint]
    best = _best(candidates)
    scores = {
        "plain": [float(np.mean(candidates[0].log_density))],
        "joint": [float(np.mean(c.log_density)) for c in joint],
    }
    budget = _budget(best, variance, setting)
    # the last round of the folds stands for convergence
    rounds = None if best is joint[-1] else best.rounds
    return Choice(best.rounds is None, best.carried, rounds, budget, scores)


def assign(observed: StarLabels, folds: int) -> Int[np.ndarray, "star"]:
    """Deal stars out so that each fold covers the range of the first label."""
    order = np.argsort(np.nan_to_num(observed[:, 0]), kind="stable")
    fold = np.empty(len(observed), int)
    fold[order] = np.arange(len(observed)) % folds
    return fold


def _held_out(
    shots: Iterable[tuple[Bool[np.ndarray, "star"], Layout, Snapshot]], observed: StarLabels
) -> Residuals:
    """Put together what the folds say of the stars that they left out."""
    n_star, n_label = observed.shape
    missed, own = np.zeros((n_star, n_label)), np.zeros((n_star, n_label, n_label))
    leverage = np.zeros(n_star)
    for out, layout, shot in shots:
        found = shot.residuals(layout, observed)
        for whole, part in zip((missed, own, leverage), found, strict=True):
            whole[out] = part[out]
    return Residuals(missed, own, leverage)


def _joint_candidates(problem: Problem, fold, setting: Setting) -> list[Candidate]:
    tracks, layouts, n_factor = [], [], None
    for k in range(FOLDS):
        layout, snapshots = iterate(problem, fold != k, n_factor)
        n_factor = layout.n_factor
        layouts.append(layout)
        # only what is asked for later is kept: sums are large
        tracks.append([s._replace(sums=None) for s in snapshots])
    longest = max(map(len, tracks))
    out = []
    for i in range(longest):
        shots = [
            (fold == k, layouts[k], track[min(i, len(track) - 1)]) for k, track in enumerate(tracks)
        ]
        residuals = _held_out(shots, problem.observed)
        density = _density(residuals, problem.variance, setting)
        out.append(Candidate(setting.carried, i, residuals, density))
    return out


def _plain_candidate(stars, fold, setting: Setting) -> Candidate:
    problem = pose(*stars, setting.degree, (), 0)
    shots = [(fold == k, *plain(problem, fold != k)) for k in range(FOLDS)]
    residuals = _held_out(shots, problem.observed)
    return Candidate((), None, residuals, _density(residuals, problem.variance, setting))


def _density(residuals: Residuals, variance, setting: Setting) -> np.ndarray:
    """ln density of held-out catalogue labels, (star,), each under its own best error budget."""
    total = np.zeros(len(variance))
    for labels, tails in _blocks(variance.shape[1], setting.carried):
        known = (residuals.of(labels), variance[:, labels], setting.prior_ln_scale)
        total += fit_budget(*known, tails[:1], (0.0,)).log_density
    return total


def _budget(best: Candidate, variance, setting: Setting) -> ErrorBudget:
    """The budget of the direct labels, with the scale of carried ones beside it."""
    n_label = variance.shape[1]
    covariance, scale = np.zeros((n_label, n_label)), np.ones(n_label)
    found = []
    for labels, tails in _blocks(n_label, setting.carried):
        known = (best.residuals.of(labels), variance[:, labels], setting.prior_ln_scale)
        budget = fit_budget(*known, tails)
        covariance[np.ix_(labels, labels)], scale[labels] = budget.covariance, budget.scale
        found.append(budget)
    return found[0]._replace(covariance=covariance, scale=scale)


def _blocks(n_label: int, carried: tuple[int, ...]):
    """Direct labels, whose model may err; carried ones, whose relation has its own scatter."""
    direct = [i for i in range(n_label) if i not in carried]
    return [(direct, TAILS), *[([i], ()) for i in carried]]


def _best(candidates: list[Candidate]) -> Candidate:
    """The largest score; the last round where nothing is surely better."""
    last = candidates[-1]
    top = max(candidates, key=lambda c: float(np.sum(c.log_density)))
    gain = top.log_density - last.log_density
    sure = np.sum(gain) > SURE * np.sqrt(len(gain)) * np.std(gain)
    return top if sure else last
