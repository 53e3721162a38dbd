"""Cross-validation: every star is inferred by a model that has not seen it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import xarray as xr
from astropy.table import Table

from bayescannon.calibration import Judged, convolve, judge, mixed_errors, thin
from bayescannon.errors import UserError
from bayescannon.files import output, resolved, work_in, write_beside
from bayescannon.labels import label_arrays, stars_needed
from bayescannon.marks import ARRAYS, FOLDS
from bayescannon.model import Model, train
from bayescannon.model.by_state import parts_of
from bayescannon.model.checks import found_errors
from bayescannon.posterior import infer, stack_draws
from bayescannon.precision import require_float64
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra
from bayescannon.trees import array, point_sd

FINGERPRINT = "fingerprint"
"""File in a folder of folds: which data and settings they are of."""


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
    error, degrees : ndarray (star, label)
        Random error of `truth` (sd): where a star is judged against the label that was handed to
        training, its stated error times the scale that training found in the other folds; and
        the degrees of freedom of that error, inf if it is Gaussian.
    chi2_red, distance : ndarray (star,)
        Reduced chi2 (diagonal); Mahalanobis distance to the fold's training set.
    flags : ndarray of int (star,)
    draws : ndarray (star, draw, label)
        Evenly thinned posterior draws, single precision.
    """

    labels: tuple[str, ...]
    star_id: np.ndarray
    fold: np.ndarray
    truth: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    q16: np.ndarray
    q84: np.ndarray
    error: np.ndarray
    degrees: np.ndarray
    chi2_red: np.ndarray
    distance: np.ndarray
    flags: np.ndarray
    draws: np.ndarray

    @property
    def statistics(self) -> dict[str, Judged]:
        """Bias, rms, robust scatter, z-width, coverage and slopes, convolved with `error`."""
        error, draws = np.nan_to_num(self.error), np.swapaxes(self.draws, 0, 1).astype(float)
        draws = convolve(draws, mixed_errors(error, self.degrees, len(draws)))
        q16, q84 = np.quantile(draws, [0.16, 0.84], axis=0)
        columns = (self.truth, self.mean, np.hypot(self.sd, error), q16, q84)
        return {name: judge(*(c[:, i] for c in columns)) for i, name in enumerate(self.labels)}

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Write all of it, draws included, as a compressed `.npz`.

        Parameters
        ----------
        path : path
        overwrite : bool
            Replace a cross-validation that is there; nothing else is ever replaced.

        Raises
        ------
        UserError
            If something else is there, or nothing may be written there.
        """
        columns = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        with output(path, ARRAYS, overwrite) as beside:
            np.savez_compressed(beside, allow_pickle=False, bayescannon=ARRAYS.name, **columns)

    @classmethod
    def load(cls, path: str | os.PathLike) -> CrossValidation:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            columns = {name: stored[name] for name in stored if name != "bayescannon"}
        columns.setdefault("degrees", np.full(columns["error"].shape, np.inf))
        return cls(labels=tuple(map(str, columns.pop("labels"))), **columns)

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
    folder: str | os.PathLike | None = None,
) -> CrossValidation:
    """Train on all folds but one, infer that one by importance sampling, for each.

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
    folder : path, optional
        Keep each fold's result here; a later call with the same data and settings goes on
        where this one stopped.

    Returns
    -------
    CrossValidation

    Raises
    ------
    UserError
        If there are fewer than two folds, too few stars for them, or the folder holds folds of
        other data or settings.
    """
    require_float64()
    names = recipe.labels.names
    check_folds(labels, recipe, spectra.star_id, folds)
    handed, stated = label_arrays(labels, names, spectra.star_id)
    judged_by, _ = label_arrays(labels if truth is None else truth, names, spectra.star_id)
    fold = assign_folds(handed[:, -1], folds, seed)
    fingerprint = _fingerprint(recipe, spectra, handed, folds, seed)
    parts: dict[str, np.ndarray] = {}
    with nullcontext() if folder is None else _kept_in(folder, fingerprint) as kept:
        for k in range(folds):
            test = np.flatnonzero(fold == k)
            path = None if kept is None else kept / f"fold-{k:03d}.npz"
            if path is None or not path.is_file():
                train_set = spectra[np.flatnonzero(fold != k)]
                found = _one_fold(train_set, spectra[test], labels, stated[test], recipe, seed)
                if path is not None:
                    with write_beside(path) as beside:
                        np.savez(beside, allow_pickle=False, **found)
            else:
                with np.load(path) as stored:
                    found = dict(stored)
            for name, values in found.items():
                parts.setdefault(name, np.zeros((len(spectra), *values.shape[1:]), values.dtype))
                parts[name][test] = values
            if progress is not None:
                progress(k + 1)
    parts["error"] = np.where(judged_by == handed, parts["error"], 0.0)
    return CrossValidation(names, spectra.star_id, fold, judged_by, **parts)


def remove_folds(folder: str | os.PathLike) -> None:
    """Remove what `cross_validate` kept in a folder, and the folder unless it holds more."""
    folder = resolved(folder)
    for path in [*folder.glob("fold-*.npz"), folder / FINGERPRINT]:
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _one_fold(
    training: Spectra, test: Spectra, labels: Table, stated: np.ndarray, recipe: Recipe, seed: int
) -> dict[str, np.ndarray]:
    """Train without a fold and infer it: what is kept of it, (star, ...)."""
    model = train(training, labels, recipe)
    post, names = infer(model, test, method="importance", seed=seed), recipe.labels.names
    found = posterior_columns(post, names) | {
        "chi2_red": array(post, "sample_stats/chi2") / array(post, "sample_stats/dof"),
        "distance": array(post, "sample_stats/distance"),
        "flags": array(post, "sample_stats/flags"),
        "draws": np.swapaxes(thin(stack_draws(post, names)), 0, 1).astype(np.float32),
    }
    return found | _label_errors(model, stated, post)


def check_folds(labels: Table, recipe: Recipe, star_id: np.ndarray, folds: int) -> None:
    """Refuse folds in which training is known to fail, before anything runs.

    Parameters
    ----------
    labels, recipe
        As for `train`.
    star_id : (star,)
    folds : int

    Raises
    ------
    UserError
        If folds are fewer than two, more than there are stars, or leave too few to train on.
    """
    values, _ = label_arrays(labels, recipe.labels.names, star_id)
    if not 2 <= folds <= len(star_id):
        raise UserError(f"folds is {folds}: use 2 to the number of stars ({len(star_id)})")
    complete = int(np.isfinite(values).all(axis=1).sum())
    needed = stars_needed(len(recipe.labels.names), recipe.labels.degree)
    left = complete - -(-complete // folds)
    if left < needed:
        raise UserError(
            f"{complete} stars have all labels: {folds} folds leave {left} to train on, but "
            f"{needed} are needed: add stars, use more folds, or train without a certificate"
        )


def _label_errors(model: Model, stated: np.ndarray, post: xr.DataTree) -> dict[str, np.ndarray]:
    """`error` and `degrees` (star, label) as training found them, of states by P(rc)."""
    errors, degrees = zip(*(found_errors(part, stated) for part in parts_of(model)), strict=True)
    if len(errors) == 1:
        return {"error": errors[0], "degrees": degrees[0]}
    p = array(post, "sample_stats/p_rc")[:, None]
    error = np.sqrt((1 - p) * errors[0] ** 2 + p * errors[1] ** 2)
    return {"error": error, "degrees": np.where(p > 0.5, degrees[1], degrees[0])}


def assign_folds(stratum: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal stars out so that each fold covers the range of `stratum` (star,) evenly."""
    rng = np.random.default_rng(seed)
    fold = np.empty(stratum.size, int)
    order = np.argsort(stratum, kind="stable")
    for start in range(0, stratum.size, folds):
        hand = order[start : start + folds]
        fold[hand] = rng.permutation(folds)[: hand.size]
    return fold


def _fingerprint(recipe: Recipe, spectra: Spectra, handed, folds: int, seed: int) -> str:
    """What makes two cross-validations the same; those of a version that kept less are others."""
    kept = [field.name for field in fields(CrossValidation)]
    digest = hashlib.sha256(f"{recipe.dumps()}{folds}{seed}{kept}".encode())
    digest.update("\n".join(spectra.star_id).encode())
    digest.update(np.ascontiguousarray(handed).tobytes())
    flux, ivar = spectra[: min(len(spectra), 16)].arrays()
    digest.update(np.ascontiguousarray(flux).tobytes() + np.ascontiguousarray(ivar).tobytes())
    return digest.hexdigest()


@contextmanager
def _kept_in(folder: str | os.PathLike, fingerprint: str) -> Generator[Path]:
    """Hold the folder where folds are kept; refuse one of another cross-validation."""
    with work_in(folder, FOLDS, FINGERPRINT) as kept:
        mark = kept / FINGERPRINT
        if not mark.is_file():
            with write_beside(mark) as beside:
                beside.write_text(fingerprint, encoding="utf-8")
        elif mark.read_text(encoding="utf-8") != fingerprint:
            raise UserError(
                f"{folder}: holds folds of other data or settings, or of another version; "
                "remove it or name another folder"
            )
        yield kept


def posterior_columns(post: xr.DataTree, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Mean, sd, 16 and 84 % quantiles, (star, label): what `judge` takes after the truth."""
    q16, q84 = np.quantile(stack_draws(post, names), [0.16, 0.84], axis=0)
    return {"mean": array(post, "point/mean"), "sd": point_sd(post), "q16": q16, "q84": q84}
