"""Inner folds: which training predicts stars best that it has not seen, and how well.

The plain Cannon and every round of joint training are candidates. All folds share the shapes of
the whole training set, a weight for each star says who trains, so that one compiled program
serves all; what it says of the others is the held-out part.
"""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from bayescannon.labels import Curvature
from bayescannon.training.budget import TAILS, ErrorBudget, Residuals, fit_budget
from bayescannon.training.curvature import find_curvature
from bayescannon.training.joint import Problem, iterate, plain, pose
from bayescannon.typing import StarLabels, StarPixels

FOLDS = 5
ENOUGH = 400
"""Held-out stars that settle the choice and the error budget: a large set trains fewer folds."""
SETTLED = 0.05
"""Labels that a round moves by less [posterior sd] no longer change what a fold says."""
MOST_ROUNDS = 6
"""Rounds in a fold; where one needs more, the whole set is not trained longer either."""
MOST_NUMBERS = 2.5e6
"""Stars times pixels: of larger training sets every so many-th pixel is used in the folds."""
SURE = 2.0
"""A shorter training, or a plainer one, is taken instead of one that converged where it is better
by so many standard errors."""

Held = Sequence[Bool[np.ndarray, "star"]]
"""Stars that each fold leaves out."""


class Candidate(NamedTuple):
    """A way of training and what it says of stars that it has not seen.

    `rounds` is None for training until convergence. The plain Cannon, `plain`, needs none.
    `log_density` (star,) is that of the catalogue labels.
    """

    rounds: int | None
    residuals: Residuals
    log_density: np.ndarray
    plain: bool = False


class Choice(NamedTuple):
    """The training that was chosen, what its labels miss, and the score of every candidate.

    `rounds` is None for joint training until it converges.
    """

    plain: bool
    rounds: int | None
    budget: ErrorBudget
    curvature: Curvature | None
    scores: dict[str, list[float]]


class Setting(NamedTuple):
    """What training is told, beside the stars."""

    degree: int = 2
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
    held = [fold == k for k in range(min(FOLDS, -(-ENOUGH * FOLDS // len(fold))))]
    problem = pose(*stars, setting.degree, setting.most_factors)
    joint = _joint_candidates(problem, held, setting)
    candidates = [_plain_candidate(stars, held, setting), *joint]
    best = _best(candidates)
    scores = {"plain": [], "joint": []}
    for c in candidates:
        scores["plain" if c.plain else "joint"].append(float(np.mean(c.log_density)))
    judged = variance[np.any(held, axis=0)]
    budget = fit_budget(best.residuals, judged, setting.prior_ln_scale)
    curvature = find_curvature(best.residuals, budget, judged, setting.degree)
    if curvature is not None:
        bend, _ = curvature.bend(best.residuals.shown, setting.degree)
        straight = best.residuals._replace(missed=best.residuals.missed - np.asarray(bend))
        budget = fit_budget(straight, judged, setting.prior_ln_scale)
    return Choice(best.plain, best.rounds, budget, curvature, scores)


def assign(observed: StarLabels, folds: int) -> Int[np.ndarray, "star"]:
    """Deal stars out so that each fold covers the range of the first label."""
    order = np.argsort(np.nan_to_num(observed[:, 0]), kind="stable")
    fold = np.empty(len(observed), int)
    fold[order] = np.arange(len(observed)) % folds
    return fold


def _held_out(parts: Sequence[Residuals], held: Held) -> Residuals:
    """Put together what the folds say of the stars that they left out, in the stars' order."""
    order = np.argsort(np.concatenate([np.flatnonzero(out) for out in held]))

    def together(name: str) -> np.ndarray:
        found = (np.asarray(getattr(part, name)) for part in parts)
        return np.concatenate([a[out] for a, out in zip(found, held, strict=True)])[order]

    return Residuals(*map(together, Residuals._fields))


def _joint_candidates(problem: Problem, held: Held, setting: Setting) -> list[Candidate]:
    tracks, n_factor, last = [], None, []
    for out in held:
        layout, snapshots = iterate(problem, ~out, n_factor, SETTLED)
        n_factor, track, shot = layout.n_factor, [], None
        for shot in islice(snapshots, MOST_ROUNDS + 1):
            track.append(shot.residuals(layout, problem.observed))
        assert shot is not None  # the start is always given
        tracks.append(track)
        last.append(shot)
    longest, candidates = max(map(len, tracks)), []
    end = None if all(shot.converged for shot in last) else MOST_ROUNDS
    for i in range(longest):
        residuals = _held_out([track[min(i, len(track) - 1)] for track in tracks], held)
        rounds = i if i < longest - 1 else end
        candidates.append(_judged(problem, held, setting, residuals, rounds))
    return candidates


def _plain_candidate(stars, held: Held, setting: Setting) -> Candidate:
    problem = pose(*stars, setting.degree, 0)
    parts = []
    for out in held:
        layout, shot = plain(problem, ~out)
        parts.append(shot.residuals(layout, problem.observed))
    return _judged(problem, held, setting, _held_out(parts, held), None, True)


def _judged(
    problem: Problem, held: Held, setting: Setting, residuals, rounds, is_plain: bool = False
) -> Candidate:
    """Score a way of training: held-out catalogue labels under their own best error budget."""
    variance = problem.variance[np.any(held, axis=0)]
    budget = fit_budget(residuals, variance, setting.prior_ln_scale, TAILS[:1], (0.0,))
    return Candidate(rounds, residuals, budget.log_density, is_plain)


def _best(candidates: list[Candidate]) -> Candidate:
    """The largest score; converged training unless another is surely better."""
    last = candidates[-1]
    top = max(candidates, key=lambda c: float(np.sum(c.log_density)))
    gain = top.log_density - last.log_density
    sure = np.sum(gain) > SURE * np.sqrt(len(gain)) * np.std(gain)
    return last if last.rounds is None and not sure else top
