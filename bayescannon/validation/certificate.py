"""Certify a model: cross-validate its recipe and keep what was found with the model."""

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from astropy.table import Table

from bayescannon.calibration import Certificate, hold
from bayescannon.labels import label_arrays
from bayescannon.model import Model
from bayescannon.model import train as fit_model
from bayescannon.model.checks import stated_errors
from bayescannon.model.store import with_certificate
from bayescannon.recipe import Recipe
from bayescannon.spectra import Spectra
from bayescannon.training import Round
from bayescannon.validation.crossval import CrossValidation, cross_validate

FOLDS = 5
MOST_PIXELS = 1500
"""With more pixels every n-th is used: five folds of 1639 stars x 7214 pixels in two minutes."""
BINNED = ("feh", "logg")
"""Labels, as inferred, in whose bins intervals are judged; beside S/N."""


def train(
    spectra: Spectra,
    labels: Table,
    recipe: Recipe,
    progress: Callable[[int], None] | None = None,
    report: Callable[[Round], None] | None = None,
    certificate: bool = False,
) -> Model:
    """Train a model: coefficients and scatter of every pixel (Eqs. 1 and 2 of Ness et al. 2016).

    Parameters
    ----------
    spectra : Spectra
        Normalised spectra of the training stars.
    labels : astropy.table.Table
        `star_id`, a column for each label of the recipe and `<label>_err` where known, NaN where
        a label is not; with `by_state` in the recipe, `state` or `evstate` too.
    recipe : Recipe
        Which labels, which degree, and how to train (`TrainingRecipe`).
    progress : callable, optional
        Called with the number of pixels done (exact labels).
    report : callable, optional
        Called with each `Round` (noisy labels): the objective and how far labels moved.
    certificate : bool
        Cross-validate afterwards, in five folds, and keep with the model how often its intervals
        hold: see `certify`, which also takes a model that is trained already.

    Returns
    -------
    Model

    Raises
    ------
    UserError
        If stars and labels do not match, labels are unknown, constant or depend on each other,
        there are too few stars, or spectra are not normalised.

    Warns
    -----
    DataWarning
        Of labels far from all others, and errors larger than their label's spread.
    """
    model = fit_model(spectra, labels, recipe, progress, report)
    return certify(model, spectra, labels) if certificate else model


def certify(
    model: Model,
    spectra: Spectra,
    labels: Table,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    folder: str | os.PathLike | None = None,
) -> Model:
    """Give a copy of a model with a certificate: how often its intervals hold what they should.

    The model's recipe is cross-validated on its training stars; everything is learned inside the
    fold. A star is judged against its catalogue label, with that label's random error as training
    found it convolved into the posterior: Gaussian or Student, as found.

    Parameters
    ----------
    model : Model
        What `train` made of `spectra` and `labels`.
    spectra, labels
        As for `train`.
    folds : int
        Number of folds.
    seed : int
        Decides who is in which fold, and the draws.
    progress : callable, optional
        Called with the number of folds done.
    folder : path, optional
        As for `cross_validate`: folds are kept, and a later call goes on.

    Returns
    -------
    Model
        With `certificate`, and its card with the verdict. The `id` does not change.

    Raises
    ------
    UserError
        If there are too few stars for so many folds; nothing has run then.

    Notes
    -----
    Of more than 1500 pixels every n-th is used; the certificate says which.
    """
    stride = 1
    if spectra.channel is None:
        stride = -(-spectra.data.sizes["pixel"] // MOST_PIXELS)
    some = spectra.every(stride)
    found = cross_validate(
        some, labels, model.recipe, folds, seed, progress=progress, folder=folder
    )
    _, errors = label_arrays(labels, found.labels, spectra.star_id)
    stated = stated_errors(errors, model.recipe)
    made = certificate_of(found, stated, some.snr(), stride, seed, is_semi_synthetic(labels))
    return replace(model, certificate=made, card=with_certificate(model.card, made))


def certificate_of(
    found: CrossValidation,
    stated: np.ndarray,
    snr: np.ndarray,
    stride: int = 1,
    seed: int = 0,
    semi_synthetic: bool = False,
) -> Certificate:
    """Certificate of a cross-validation.

    Parameters
    ----------
    found : CrossValidation
    stated : (star, label)
        Errors of the catalogue's labels as stated; 0 where it says nothing.
    snr : (star,)
        Signal-to-noise ratio per pixel, for the bins.
    stride, seed, semi_synthetic
        For the record: see `Certificate`.
    """
    observed = {"snr": np.asarray(snr, float)}
    for name in BINNED:
        if name in found.labels:
            observed[name] = found.mean[:, found.labels.index(name)]
    draws = np.swapaxes(found.draws, 0, 1).astype(float)
    labels, bins = hold(found.labels, found.truth, draws, found.error, found.degrees, observed)
    told = stated > 0
    size = [np.sum(np.nan_to_num(a) ** 2, axis=0, where=told) for a in (found.error, stated)]
    scale = np.sqrt(size[0] / np.maximum(size[1], np.finfo(float).tiny))
    return Certificate(
        labels,
        bins,
        stars=int(np.isfinite(found.mean).all(axis=1).sum()),
        error_scale=dict(zip(found.labels, scale.tolist(), strict=True)),
        folds=int(found.fold.max()) + 1,
        stride=stride,
        seed=seed,
        semi_synthetic=semi_synthetic,
    )


def is_semi_synthetic(labels: Table) -> bool:
    """Whether a label table says that its stars were simulated."""
    return "semi-synthetic" in str(labels.meta)
