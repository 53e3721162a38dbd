"""Are labels fit to train on? Checked first: training would fail far from the cause."""

import warnings

import numpy as np

from bayescannon.columns import extreme
from bayescannon.errors import DataWarning, UserError
from bayescannon.labels.polynomial import features, learn_scaling, n_features

STARS_PER_FEATURE = 1.5
"""Fewer stars leave too little to learn the scatter from."""
SAME = 0.01
"""A label whose part that is not linear in the others is smaller, in its own sd, says nothing."""
SINGULAR = 1e-6


def stars_needed(n_label: int, degree: int) -> int:
    """Fewest stars with all labels that training takes."""
    return int(np.ceil(STARS_PER_FEATURE * n_features(n_label, degree)))


def check_labels(
    names: tuple[str, ...], labels: np.ndarray, complete: np.ndarray, degree: int
) -> None:
    """Refuse labels that cannot determine the coefficients.

    Parameters
    ----------
    names : sequence of str (label,)
    labels : (star, label)
        NaN where not known.
    complete : (star,)
        Stars that have all labels and a spectrum.
    degree : int
        Of the polynomial in the labels.

    Raises
    ------
    UserError
        If a label is missing for all stars or has too few values, labels depend on each other,
        or there are too few stars; names the labels and says what to do.
    """
    for name, column in zip(names, labels.T, strict=True):
        values = column[np.isfinite(column)]
        if not values.size:
            raise UserError(f"label {name!r} is NaN for every star: drop it from the recipe")
        if np.ptp(values) <= 1e-12 * max(1.0, np.abs(values).max()):
            raise UserError(f"label {name!r} is the same for every star: drop it from the recipe")
    needed = stars_needed(len(names), degree)
    if complete.sum() < needed:
        raise UserError(
            f"{complete.sum()} stars have a spectrum and all labels ({', '.join(names)}), but "
            f"{len(names)} labels of degree {degree} need at least {needed}: add stars, drop "
            "labels, or use a lower degree"
        )
    full = labels[complete]
    for name, column in zip(names, full.T, strict=True):
        if len(np.unique(column)) <= degree:
            raise UserError(
                f"label {name!r} has {len(np.unique(column))} values, too few for degree {degree}: "
                "drop it from the recipe, or train the groups apart"
            )
    _check_rank(names, learn_scaling(full).to_scaled(full), degree)


def _check_rank(names: tuple[str, ...], scaled: np.ndarray, degree: int) -> None:
    for i, name in enumerate(names):
        others = np.delete(scaled, i, axis=1)
        slope = np.linalg.lstsq(others, scaled[:, i], rcond=None)[0]
        if np.std(scaled[:, i] - others @ slope) < SAME:
            shares = np.abs(slope) * np.std(others, axis=0)
            which = [n for n, share in zip(np.delete(names, i), shares, strict=True) if share > 0.1]
            raise UserError(
                f"label {name!r} is a linear function of {', '.join(which)}: drop one of them from "
                "the recipe"
            )
    v = np.asarray(features(scaled, degree))
    sizes = np.linalg.svd(v / np.linalg.norm(v, axis=0), compute_uv=False)
    if sizes[-1] < SINGULAR * sizes[0]:
        raise UserError(
            f"labels {', '.join(names)} are tied by a polynomial of degree {degree}: drop one of "
            "them from the recipe, or use a lower degree"
        )


def tell_oddities(
    names: tuple[str, ...], labels: np.ndarray, errors: np.ndarray, star_id: np.ndarray
) -> None:
    """Warn of values 20 robust standard deviations out, and of errors that lack or are too large.

    Parameters
    ----------
    names, star_id : sequence of str (label,), (star,)
    labels, errors : (star, label)
        NaN where not known.

    Warns
    -----
    DataWarning
        One line a label, that names the star.
    """
    for i, name in enumerate(names):
        values, known = labels[:, i], np.isfinite(labels[:, i])
        far = extreme(values)
        if far.any():
            first = int(np.argmax(far))
            _warn(
                f"label {name!r} of star '{star_id[first]}' is {values[first]:g}, more than 20 "
                f"robust standard deviations from the median ({far.sum()} in all): check it"
            )
        gap = known & ~np.isfinite(errors[:, i])
        if gap.any() and not gap[known].all():
            _warn(
                f"label {name!r} has no error for star '{star_id[int(np.argmax(gap))]}' "
                f"({gap.sum()} in all): the recipe's, or the median of the others, stands in"
            )
        stated = errors[known & np.isfinite(errors[:, i]), i]
        if stated.size and np.median(stated) > np.std(values[known & ~far]):
            _warn(
                f"errors of label {name!r} ({np.median(stated):g} in the median) are larger than "
                f"its spread over the stars ({np.std(values[known & ~far]):g}): check their unit"
            )


def _warn(text: str) -> None:
    warnings.warn(text, DataWarning, stacklevel=4)
