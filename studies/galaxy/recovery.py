"""The mock Milky Way measured as the survey would be, and what its maps recover of the truth."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from bayescannon.ages import infer_ages
from bayescannon.ages.population import age_likelihood
from bayescannon.labels import features
from bayescannon.model import AnyModel, Model, train
from bayescannon.posterior import infer
from bayescannon.simulate import make_mock
from bayescannon.states import Relation
from bayescannon.trees import array, point_sd, release
from bayescannon.typing import StarLabels
from studies.calibration.scenarios import recipe, thinned
from studies.galaxy import AgeMap, Cells, age_map
from studies.galaxy.simulate import MockGalaxy

AGE_PRIOR = "flat-age"
STARS_AT_ONCE = 2048
"""Stars whose spectra are simulated and inferred at one time."""
AGE_PER_MASS = 3.0
"""log10 age falls by so much per dex of mass (isochrones, 1 to 2 Msun)."""


class Measured(NamedTuple):
    """What inference says of stars, in their order."""

    mean: np.ndarray
    """(star, label) posterior mean of teff, logg, feh, afe, ln_mass."""
    sd: np.ndarray
    age: np.ndarray
    """(star, draw) [Gyr], prior flat in age; NaN where there is none."""
    p_rc: np.ndarray
    """P(rc) of each star before its age is known."""
    chi2_red: np.ndarray
    flags: np.ndarray

    def of(self, rows: np.ndarray | slice) -> "Measured":
        """Keep some of the stars."""
        return Measured(*(a[rows] for a in self))


def train_by_mock(seed: int = 0, stride: int = 1, n_star: int = 1639) -> Model:
    """Train a model that knows the states on mock giants, every `stride`-th pixel.

    The mock Galaxy's masses come from the maker of `make_mock`: a model trained on `make_apokasc`
    believes masses to follow from spectra more closely than they do there
    (docs/results/training.md).
    """
    simulated = thinned(make_mock(n_star, seed), stride)
    ours = recipe()
    settings = replace(ours.training, by_state=True, noise_shares={})
    return train(simulated.spectra, simulated.labels, replace(ours, training=settings))


def measure(
    galaxy: MockGalaxy,
    model: AnyModel,
    draws: int = 300,
    stride: int = 1,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Measured:
    """Infer labels and ages of all stars; clump stars are known to be in the clump.

    Parameters
    ----------
    galaxy : MockGalaxy
    model : Model or StateModels
        From `train_by_mock`, of the same stride.
    draws : int
        Age draws kept of each star.
    stride : int
        Every `stride`-th pixel is used.
    seed : int
    progress : callable, optional
        Called with the number of stars done.
    """
    parts, done = [], 0
    for name, p_rc in (("clump", 1.0), ("giants", None)):
        rows = np.flatnonzero(np.asarray(galaxy.stars["sample"]) == name)
        for start in range(0, len(rows), STARS_AT_ONCE):
            block = slice(rows[start], rows[min(start + STARS_AT_ONCE, len(rows)) - 1] + 1)
            spectra = galaxy.spectra(block).every(stride)
            # flat: the label prior is divided out anyway
            post = infer(model, spectra, "importance", "flat", draws=draws, seed=seed)
            ages = infer_ages(post, prior=AGE_PRIOR, p_rc=p_rc)
            parts.append(_measured(post, ages))
            release(post, ages)
            done += len(spectra)
            if progress is not None:
                progress(done)
    return Measured(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _measured(post, ages) -> Measured:
    return Measured(
        array(post, "point/mean"),
        point_sd(post),
        array(ages, "posterior/age")[0].T.astype(np.float32),
        array(ages, "sample_stats/p_rc"),
        array(post, "sample_stats/chi2") / array(post, "sample_stats/dof"),
        array(post, "sample_stats/flags") | array(ages, "sample_stats/flags"),
    )


def shared_error(model: AnyModel, stars: Measured, cell: np.ndarray) -> np.ndarray:
    """Error of log10 age that the stars of a cell share [dex], (cell,).

    It comes from the relation of mass to spectra, which training fixes only so well.
    """
    size = int(cell.max(initial=-1)) + 1
    if not isinstance(model, Model) or model.relation is None:
        return np.zeros(size)
    known = np.isfinite(stars.mean).all(axis=1)
    scaled = model.scaled(np.where(known[:, None], stars.mean, model.scaling.pivot))
    return (
        AGE_PER_MASS
        / np.log(10)
        * model.scaling.scale[-1]
        * error_of_mean(
            model.relation, scaled, np.nan_to_num(stars.p_rc), np.where(known, cell, -1), size
        )
    )


class Recovery(NamedTuple):
    """True median ages of cells beside what was inferred; arrays (cell,)."""

    truth: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    stars: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Whether the true median lies in the 95 % interval."""
        return (self.truth >= self.low) & (self.truth <= self.high)


def recover(found: AgeMap, true_age: np.ndarray) -> Recovery:
    """Compare a map with the true ages [Gyr] of its stars (star,); the truth is of the stars."""
    cells = found.cells
    filled = cells.number >= 0
    order = np.argsort(cells.number[filled])
    truth = [np.median(true_age[cells.cell == i]) for i in range(cells.n_cell)]
    maps = (found.median, found.low, found.high, cells.count)
    return Recovery(np.array(truth), *(a[filled][order] for a in maps))


def map_ages(
    stars: Measured,
    cells: Cells,
    model: AnyModel | None = None,
    prior: str = AGE_PRIOR,
    seed: int = 0,
) -> AgeMap:
    """Map the ages of stars; with the model, errors include that of the mass scale."""
    shared = 0.0 if model is None else shared_error(model, stars, cells.cell)
    return age_map(age_likelihood(stars.age, prior), cells, shared, seed)


def error_of_mean(
    relation: Relation,
    scaled: StarLabels,
    p_rc: Float[np.ndarray, "star"],
    cell: Int[np.ndarray, "star"],
    size: int,
) -> Float[np.ndarray, "cell"]:
    """Sd of the relation's error in the mean of many stars: they share it.

    Parameters
    ----------
    relation : Relation
    scaled : (star, label)
        The indirect label is the last.
    p_rc : (star,)
        P(rc).
    cell : (star,)
        Counted from 0; -1 for none.
    size : int
        Number of cells.

    Returns
    -------
    (cell,), in scaled labels
    """
    here = cell >= 0
    factors = np.asarray(features(jnp.asarray(scaled[here]))) @ np.asarray(relation.response).T
    inputs = np.concatenate([scaled[here, :-1], factors @ np.asarray(relation.turn)], axis=1)
    v, coefficients = np.asarray(features(jnp.asarray(inputs))), np.asarray(relation.coefficients)
    weights = np.stack([1 - p_rc[here], p_rc[here]])[-len(coefficients) :]
    weights = weights if len(coefficients) > 1 else np.ones_like(weights)
    drawn = np.zeros((size, coefficients.shape[1]))
    for weight, of_state in zip(weights, coefficients, strict=True):
        np.add.at(drawn, cell[here], (weight[:, None] * v) @ of_state.T)
    return np.std(drawn / np.maximum(np.bincount(cell[here], minlength=size), 1)[:, None], axis=1)
