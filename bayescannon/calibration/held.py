"""How often posteriors hold the catalogue's values of stars that training has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from bayescannon.calibration.certificate import Held
from bayescannon.calibration.intervals import (
    LEVELS,
    binomial_error,
    convolve,
    coverage,
    equal_bins,
    mixed_errors,
)
from bayescannon.calibration.point import judge
from bayescannon.calibration.ranks import ecdf_band, ks_distance, pit_of_draws
from bayescannon.calibration.scores import log_score

StarLabels = Float[np.ndarray, "star label"]
BINS, STARS_PER_BIN, PIT_BINS = 4, 50, 10


def hold(
    names: tuple[str, ...],
    truth: StarLabels,
    draws: Float[np.ndarray, "draw star label"],
    error: StarLabels,
    degrees: StarLabels,
    observed: Mapping[str, Float[np.ndarray, "star"]],
) -> tuple[dict[str, Held], dict[str, dict[str, list[Held]]]]:
    """Judge posterior draws of held-out stars, all together and in bins.

    Parameters
    ----------
    names : tuple of str (label,)
    truth : (star, label)
        Catalogue values; NaN where there is none.
    draws : (draw, star, label)
    error, degrees : (star, label)
        Standard deviation of the catalogue's random error, with which every posterior is convolved
        first, and its degrees of freedom; inf if it is Gaussian.
    observed : mapping of str to (star,)
        What to bin by. Never a true value: even an exact posterior fails in such bins.

    Returns
    -------
    labels : dict of str to Held
    bins : dict of str to dict of str to list of Held
        Quantity -> label -> bins. Fewer bins where stars are few.
    """
    error = np.nan_to_num(error)
    wide = convolve(draws, mixed_errors(error, degrees, len(draws)))
    q16, q84 = np.quantile(wide, [0.16, 0.84], axis=0)
    score = [log_score(wide[..., i], truth[:, i]) for i in range(len(names))]
    everyone = _Stars(
        truth,
        draws.mean(axis=0),
        np.hypot(draws.std(axis=0, ddof=1), error),
        q16,
        q84,
        pit_of_draws(wide, truth),
        np.stack(score, axis=1),
    )
    labels = {name: _judge(everyone.of(i)) for i, name in enumerate(names)}
    bins: dict[str, dict[str, list[Held]]] = {}
    for quantity, values in observed.items():
        known = np.flatnonzero(np.isfinite(values))
        count = int(np.clip(known.size // STARS_PER_BIN, 1, BINS))
        index = equal_bins(values[known], count)
        groups = [known[index == k] for k in range(count)]
        bins[quantity] = {
            name: [_judge(everyone.of(i, rows), values[rows]) for rows in groups]
            for i, name in enumerate(names)
        }
    return labels, bins


class _Stars(NamedTuple):
    """Posteriors, convolved with the catalogue's errors, and what they say of its values.

    All are (star, label), or (star,) of one label.
    """

    truth: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    q16: np.ndarray
    q84: np.ndarray
    pit: np.ndarray
    score: np.ndarray

    def of(self, label: int, rows: np.ndarray | slice = slice(None)) -> _Stars:
        """One label of some stars, those without a posterior or a catalogue value left out."""
        some = _Stars(*(a[rows, label] for a in self))
        return _Stars(*(a[np.isfinite(some.pit)] for a in some))


def _judge(stars: _Stars, observed: np.ndarray | None = None) -> Held:
    """Sum up one label over stars that are in one bin of what is observed."""
    n, pit = len(stars.pit), stars.pit
    judged = judge(stars.truth, stars.mean, stars.sd, stars.q16, stars.q84)
    share = coverage(pit, LEVELS) if n else np.zeros(LEVELS.size)
    span = None
    if observed is not None and observed.size:
        span = (float(observed.min()), float(observed.max()))
    return Held(
        stars=n,
        range=span,
        **{k: float(getattr(judged, k)) for k in ("bias", "rms", "z", "slope", "truth_on_mean")},
        coverage=tuple(map(float, share)),
        error=tuple(map(float, binomial_error(share, n))),
        pit=tuple(map(int, np.histogram(pit, PIT_BINS, (0.0, 1.0))[0])),
        ks=ks_distance(pit),
        ks_limit=float(ecdf_band(max(n, 1))),
        log_score=float(stars.score.mean()) if n else np.nan,
    )
