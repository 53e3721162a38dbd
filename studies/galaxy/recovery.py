"""The mock Milky Way measured as the survey would be, and what its maps recover of the truth."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from bayescannon.ages import infer_ages
from bayescannon.ages.population import age_likelihood
from bayescannon.labels import features
from bayescannon.model import AnyModel, LabelError, Model, train
from bayescannon.model.by_state import states_of
from bayescannon.posterior import infer
from bayescannon.simulate import make_mock
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
    settings = replace(ours.training, by_state=True)
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
    clump = model if (by_state := states_of(model)) is None else by_state.rc
    for name, used, p_rc in (("clump", clump, 1.0), ("giants", model, None)):
        rows = np.flatnonzero(np.asarray(galaxy.stars["sample"]) == name)
        for start in range(0, len(rows), STARS_AT_ONCE):
            block = slice(rows[start], rows[min(start + STARS_AT_ONCE, len(rows)) - 1] + 1)
            spectra = galaxy.spectra(block).every(stride)
            # flat: the label prior is divided out anyway
            post = infer(used, spectra, "importance", "flat", draws=draws, seed=seed)
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

    It comes from the mass scale of the model, which training labels fix only so well.
    """
    found = 0.0
    known = np.isfinite(stars.mean).all(axis=1)
    cell = np.where(known, cell, -1)
    both = states_of(model)
    if both is None:
        parts = [(cast(Model, model), np.ones(len(cell)))]
    else:
        parts = [(both.rgb, 1 - stars.p_rc), (both.rc, stars.p_rc)]
    for part, share in parts:
        if part.label_error is None:
            continue
        scaled = part.scaled(np.where(known[:, None], stars.mean, part.scaling.pivot))
        error = error_of_mean(part.label_error, scaled, np.nan_to_num(share), cell)
        found = found + (error[:, -1] * part.scaling.scale[-1]) ** 2
    return AGE_PER_MASS * np.sqrt(found) / np.log(10)


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
    error: LabelError,
    scaled: StarLabels,
    weight: Float[np.ndarray, "star"],
    cell: Int[np.ndarray, "star"],
) -> Float[np.ndarray, "cell label"]:
    """Sd of the label scale's error in the mean of many stars: they share it.

    Parameters
    ----------
    error : LabelError
    scaled : (star, label)
    weight : (star,)
        Of each star in its cell's mean.
    cell : (star,)
        Counted from 0; -1 for none.

    Returns
    -------
    (cell, label), in scaled labels
        The scale's error is linear in v(l), so it is that of the mean v.
    """
    here = cell >= 0
    v = np.asarray(features(jnp.asarray(scaled[here])))
    total = np.zeros((int(cell.max(initial=-1)) + 1, v.shape[1]))
    np.add.at(total, cell[here], weight[here, None] * v)
    mean = total / np.bincount(cell[here])[:, None]
    size = np.sqrt(np.einsum("ci,ij,cj->c", mean, error.leverage, mean) + error.shared)
    return size[:, None] * np.sqrt(np.diagonal(error.scale_covariance))[None]
