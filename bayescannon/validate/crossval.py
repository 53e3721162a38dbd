"""Cross-validation: every star is inferred by a model that has not seen it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from astropy.table import Table

from ..errors import UserError
from ..infer import infer, stack_draws
from ..labels import label_arrays
from ..model import train
from ..recipe import Recipe
from ..spectra import Spectra
from ..trees import array, point_sd
from .statistics import Judged, judge


@dataclass(frozen=True)
class CrossValidation:
    """What cross-validation found.

    Attributes
    ----------
    labels : tuple of str
    star_id, fold : ndarray (star,)
        In the order of the spectra that were given.
    truth, mean, sd, q16, q84 : ndarray (star, label)
        The value that each star was judged against, and its posterior by the model of its fold.
    chi2_red : ndarray (star,)
        Reduced chi2 (diagonal).
    """

    labels: tuple[str, ...]
    star_id: np.ndarray
    fold: np.ndarray
    truth: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    q16: np.ndarray
    q84: np.ndarray
    chi2_red: np.ndarray

    @property
    def statistics(self) -> dict[str, Judged]:
        """Bias, rms, robust scatter, z-width, coverage and slope of each label."""
        columns = (self.truth, self.mean, self.sd, self.q16, self.q84)
        return {name: judge(*(c[:, i] for c in columns)) for i, name in enumerate(self.labels)}

    def table(self) -> Table:
        """One row a star: what it was judged against, mean and sd of every label, chi2, fold."""
        table = Table({"star_id": self.star_id, "fold": self.fold, "chi2_red": self.chi2_red})
        for i, name in enumerate(self.labels):
            table[f"{name}_in"] = self.truth[:, i]
            table[f"{name}_mean"], table[f"{name}_std"] = self.mean[:, i], self.sd[:, i]
        return table


def cross_validate(
    spectra: Spectra,
    labels: Table,
    recipe: Recipe,
    folds: int = 10,
    seed: int = 0,
    truth: Table | None = None,
    progress: Callable[[int], None] | None = None,
) -> CrossValidation:
    """Train on all folds but one, infer that one by its Laplace posterior, for each.

    Parameters
    ----------
    spectra, labels, recipe
        As for `train`. Everything is learned inside the fold.
    folds : int
        Number of folds; they are stratified in the last label.
    seed : int
        Decides who is in which fold, and the draws.
    truth : Table, optional
        What to judge against, where it is better known than the labels handed to training.
    progress : callable, optional
        Called with the number of folds done.

    Returns
    -------
    CrossValidation

    Raises
    ------
    UserError
        If there are fewer than two folds, or fewer stars than folds.
    """
    if not 2 <= folds <= len(spectra):
        raise UserError(f"folds is {folds}: use 2 to the number of stars ({len(spectra)})")
    names = recipe.labels.names
    handed, _ = label_arrays(labels, names, spectra.star_id)
    judged_by, _ = label_arrays(labels if truth is None else truth, names, spectra.star_id)
    fold = assign_folds(handed[:, -1], folds, seed)
    numbers = {name: np.full(handed.shape, np.nan) for name in ("mean", "sd", "q16", "q84")}
    chi2_red = np.full(len(spectra), np.nan)
    for k in range(folds):
        test = np.flatnonzero(fold == k)
        model = train(spectra[np.flatnonzero(fold != k)], labels, recipe)
        post = infer(model, spectra[test], method="laplace", seed=seed)
        for name, values in _moments(post, names).items():
            numbers[name][test] = values
        chi2_red[test] = array(post, "sample_stats/chi2") / array(post, "sample_stats/dof")
        if progress is not None:
            progress(k + 1)
    return CrossValidation(names, spectra.star_id, fold, judged_by, chi2_red=chi2_red, **numbers)


def assign_folds(stratum: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal stars out so that each fold covers the range of `stratum` (star,) evenly."""
    rng = np.random.default_rng(seed)
    fold = np.empty(stratum.size, int)
    order = np.argsort(stratum, kind="stable")
    for start in range(0, stratum.size, folds):
        hand = order[start : start + folds]
        fold[hand] = rng.permutation(folds)[: hand.size]
    return fold


def _moments(post: xr.DataTree, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    q16, q84 = np.quantile(stack_draws(post, names), [0.16, 0.84], axis=0)
    return {"mean": array(post, "point/mean"), "sd": point_sd(post), "q16": q16, "q84": q84}
