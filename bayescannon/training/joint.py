"""Joint training: latent labels, residual factors, shrunk coefficients and scatter together.

Expectation-maximisation with three departures from the textbook, each for a reason that data
showed (see docs/explanation/training.md):

- a star's catalogue labels count for what they are worth beside those that its spectrum shows
  once both the catalogue and the model may err; what its spectrum shows is inferred from
  loadings that the star has been left out of;
- factors and label scale are put in standard form every round (`identify`), not left to EM;
- a factor that cannot be told from a label error is dropped.

More rounds are not always better: `iterate` gives every round, and `folds` chooses.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from bayescannon.labels import n_features
from bayescannon.training.e_step import LabelPrior, moments
from bayescannon.training.identify import (
    MIN_INFORMATION,
    change_variables,
    factor_information,
    recalibrate,
    standardise,
)
from bayescannon.training.layout import Layout, Parameters
from bayescannon.training.loadings import fit_loadings, learn_prior
from bayescannon.training.result import Round, Snapshot, TrainingResult, assemble
from bayescannon.training.stars import (
    Data,
    catalogue_precision,
    few_stars,
    infer_all,
    masked,
    moved_by,
    only,
    padded,
    population_of,
    sum_all,
)
from bayescannon.training.start import begin, first_parameters, fit_shrunk
from bayescannon.typing import StarLabels, StarPixels

MAX_ROUNDS = 15
TOLERANCE = 0.02
"""Converged when a round moves the labels by less than this, in posterior sd (rms)."""
STARS_PER_FACTOR = 20
"""Fewer stars than that cannot carry another factor."""


class Problem(NamedTuple):
    """Training stars, ready: `usable` (pixel,) tells which pixels enough of them have."""

    layout: Layout
    data: Data
    observed: StarLabels
    variance: StarLabels
    usable: Bool[np.ndarray, "pixel"]
    most_factors: int


def pose(
    flux: StarPixels,
    ivar: StarPixels,
    observed: StarLabels,
    variance: StarLabels,
    degree: int,
    most_factors: int = 20,
) -> Problem:
    """Make stars ready for training.

    Parameters
    ----------
    flux, ivar : (star, pixel)
        Normalised flux and inverse variance; ivar 0 = not measured.
    observed, variance : (star, label)
        Scaled catalogue labels, NaN where missing, and the stated variance of their errors.
    degree : int
        Degree of the features.
    most_factors : int
        Largest number of factors; how many are used is decided on held-out stars.
    """
    most = min(most_factors, len(flux) // STARS_PER_FACTOR)
    needed = n_features(observed.shape[1], degree) + most + 1
    usable = np.asarray(ivar > 0).sum(axis=0) > min(needed, 0.5 * len(flux))
    data = padded(flux, np.where(usable, ivar, 0.0), observed, variance)
    layout = Layout(observed.shape[1], degree, 0)
    return Problem(layout, data, observed, variance, usable, most)


def iterate(
    problem: Problem,
    use: Bool[np.ndarray, "star"],
    n_factor: int | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Layout, Iterator[Snapshot]]:
    """Train on some of the stars, and infer all.

    Parameters
    ----------
    problem : Problem
    use : (star,)
        Which stars train.
    n_factor : int, optional
        Columns for factors; found if not given.
    tolerance : float
        Converged when a round moves the labels by less than this, in posterior sd (rms).

    Returns
    -------
    layout : Layout
    snapshots : iterator
        The model before the first round, then after each, until labels move no more or
        `MAX_ROUNDS` are done.
    """
    data = only(problem.data, np.pad(use.astype(float), (0, len(problem.data.use) - len(use))))
    layout, p, own, labels = begin(
        problem.layout,
        data,
        (problem.observed, problem.variance, use),
        problem.usable,
        problem.most_factors,
        n_factor,
    )
    flat = LabelPrior.flat(problem.observed[use])
    good = jnp.asarray(problem.usable, float)
    return layout, _rounds(layout, data, p, own, labels, flat, good, tolerance)


def _rounds(
    layout: Layout, data: Data, p: Parameters, own, labels, flat, good, tolerance: float
) -> Iterator[Snapshot]:
    """Yield a `Snapshot` for each round."""
    n_star = int(jnp.sum(data.use))
    nothing = jnp.zeros((len(data.use), layout.n_label, layout.n_label))
    unmoved, trusting = jnp.zeros_like(labels), LabelPrior.population(layout.n_label)
    learned, history, converged = None, (), False
    while True:
        sums = sum_all(layout, p, data, own)
        points = infer_all(layout, p, data, sums, labels, nothing, flat)
        alone = moments(layout, points, unmoved)
        leverage, of_star = _leverage(layout, labels, data)
        yield Snapshot(p, sums, alone, labels, leverage, history, converged)
        if converged or len(history) == MAX_ROUNDS:
            return
        missed = np.asarray(data.observed - alone.labels)
        precision = catalogue_precision(data, missed, np.asarray(alone.covariance), of_star)
        points = infer_all(layout, p, data, sums, labels, jnp.asarray(precision), trusting)
        m = moments(layout, points, unmoved)
        m = moments(layout, points, recalibrate(layout, m, data.observed, data.precision))
        change = standardise(layout, m, data.use)
        found = m.labels
        m = masked(change_variables(m, change), data.use)
        moved = moved_by(m, labels, data.use)
        p = p._replace(population=population_of(m, n_star))
        p = fit_loadings(layout, p, data.blocks, data.use, m.u, m.uu, learned)
        p, kept = _without_undetermined(layout, p, data)
        learned = learn_prior(layout, p, good)
        own, labels = m.u, found
        objective = float(jnp.sum(points.log_evidence * data.use) / n_star)
        history = (*history, Round(objective, moved.tolist(), kept))
        converged = bool(moved.max() < tolerance)


def plain(problem: Problem, use: Bool[np.ndarray, "star"]) -> tuple[Layout, Snapshot]:
    """Train the plain Cannon on some of the stars, and infer all.

    Parameters
    ----------
    problem : Problem
        Without factors.
    use : (star,)
        Which stars train; those that lack a label do not.

    Returns
    -------
    layout : Layout
    snapshot : Snapshot
    """
    layout, complete = problem.layout, np.isfinite(problem.observed).all(axis=1)
    extra = len(problem.data.use) - len(use)
    data = only(problem.data, np.pad((use & complete).astype(float), (0, extra)))
    labels = data.observed
    v = layout.features(labels) * data.use[:, None]
    p = first_parameters(layout, problem.observed[use & complete], problem.usable)
    p = fit_shrunk(layout, p, data, v, problem.usable)
    sums = sum_all(layout, p, data, v)
    nothing = jnp.zeros((len(labels), layout.n_label, layout.n_label))
    flat = LabelPrior.flat(problem.observed[use])
    points = infer_all(layout, p, data, sums, labels, nothing, flat)
    alone = moments(layout, points, jnp.zeros_like(labels))
    leverage, _ = _leverage(layout, labels, data)
    return layout, Snapshot(p, sums, alone, labels, leverage, (), True)


def fit_joint(
    problem: Problem,
    rounds: int | None = None,
    report: Callable[[Round], None] | None = None,
) -> TrainingResult:
    """Train on noisy labels.

    Parameters
    ----------
    problem : Problem
    rounds : int, optional
        Stop after so many; until convergence if not given.
    report : callable, optional
        Called after each round.

    Returns
    -------
    TrainingResult
    """
    data, n_star = problem.data, len(problem.observed)
    layout, snapshots = iterate(problem, np.ones(n_star, bool))
    last = next(snapshots)
    while rounds is None or len(last.history) < rounds:
        following = next(snapshots, None)
        if following is None:
            break
        last = following
        if report is not None:
            report(last.history[-1])
    few = few_stars(layout.n_latent, float(n_star), data.flux.shape[1])
    return assemble(layout, last, problem.observed, problem.usable, few)


def _leverage(layout: Layout, labels, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Q, the inverse of the sum of v v' over training stars, and v'Qv of every star."""
    v = np.asarray(layout.features(labels))
    normal = (np.asarray(data.use)[:, None] * v).T @ v
    size = np.sqrt(np.diagonal(normal))
    scaled = normal / np.outer(size, size) + 1e-10 * np.eye(len(size))
    inverse = np.linalg.inv(scaled) / np.outer(size, size)
    return inverse, np.minimum(np.einsum("ni,ij,nj->n", v, inverse, v), 0.9)


def _without_undetermined(layout: Layout, p: Parameters, data: Data) -> tuple[Parameters, int]:
    """Set to zero the factors that spectra cannot tell from a change of labels."""
    use = np.asarray(data.use, np.float32)
    ivar = jnp.asarray((use @ data.ivar).astype(float) / use.sum())
    weight = ivar / (1.0 + ivar * p.scatter2)
    information, axes = factor_information(layout, p.loadings, weight)
    keep = information > MIN_INFORMATION
    change = np.eye(layout.n_latent)
    change[layout.n_feature :, layout.n_feature :] = (axes * keep) @ axes.T
    change = jnp.asarray(change)
    row, column = layout.pairs
    covariance = jnp.einsum("ij,pjk,kl->pil", change, layout.unpack(p.uncertainty), change)
    p = p._replace(loadings=p.loadings @ change, uncertainty=covariance[:, row, column])
    return p, int(keep.sum())
