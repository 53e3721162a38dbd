"""A certificate: how often the intervals of a model held the catalogue's value of held-out stars.

`calibration.held.hold` judges arrays; `bayescannon.validation.certify` makes them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jax.scipy.special import ndtri

from bayescannon.calibration.intervals import LEVELS, binomial_error

FALSE_ALARM = 0.01
"""Probability that the certificate of a calibrated model fails."""
TOLERANCE = 0.03
"""A share this close to its level passes, however many stars there are."""
FEWEST = 30
"""With fewer stars a label is not certified."""
MOST_ERROR_SCALE = 1.6
"""Three sd of the recipe's prior on ln of the scale of stated errors, N(0, 0.15)."""
NO_CERTIFICATE = "no certificate: whether these intervals hold has not been measured"


@dataclass(frozen=True)
class Held:
    """How posteriors of one label hold the catalogue's values of some stars.

    Attributes
    ----------
    stars : int
    range : tuple of float or None
        Smallest and largest value of the binned quantity; None where all stars are together.
    bias, rms, z, slope, truth_on_mean : float
        As in `Judged`; label units.
    coverage, error : tuple of float
        Share of stars inside the central intervals of `LEVELS`, and its binomial error.
    pit : tuple of int
        Histogram of the probability integral transform in equal bins.
    ks, ks_limit : float
        Kolmogorov-Smirnov distance of the PIT from uniform, and its 99 % limit.
    log_score : float
        Mean of minus the log density of the catalogue's value; lower is better.
    """

    stars: int
    range: tuple[float, float] | None
    bias: float
    rms: float
    z: float
    slope: float
    truth_on_mean: float
    coverage: tuple[float, ...]
    error: tuple[float, ...]
    pit: tuple[int, ...]
    ks: float
    ks_limit: float
    log_score: float


@dataclass(frozen=True)
class Certificate:
    """What cross-validation says of a model's intervals.

    Attributes
    ----------
    labels : dict of str to Held
        Each label over all stars.
    bins : dict
        Binned quantity (`snr`, `feh`, `logg`; the last two as inferred) -> label -> one `Held`
        a bin of equally many stars.
    stars : int
        Stars that were inferred by a model which had not seen them.
    error_scale : dict of str to float
        How many times as large as stated the catalogue's errors were taken when posteriors were
        convolved with them; 0 where labels were taken as exact.
    folds, stride, seed : int
        Folds, and that every `stride`-th pixel was used.
    semi_synthetic : bool
        Whether the stars were simulated.
    """

    labels: dict[str, Held]
    bins: dict[str, dict[str, list[Held]]]
    stars: int
    error_scale: dict[str, float]
    folds: int
    stride: int = 1
    seed: int = 0
    semi_synthetic: bool = False

    @property
    def passed(self) -> bool:
        """Whether every interval of every label holds the share that it states.

        A share passes that lies within its binomial error, at a level at which the certificate of
        a calibrated model fails once in 100 (Bonferroni over labels and intervals), or within 3
        points. A label with fewer than 30 stars does not pass, nor one whose catalogue errors
        were taken more than 1.6 times as large as stated: cross-validation cannot tell whether
        those are the catalogue's or the model's.
        """
        return bool(self._worst()[0] <= 1.0) and not self._distrusted

    @property
    def verdict(self) -> str:
        """One line of plain ASCII: what share of the stars the intervals held."""
        what = "semi-synthetic stars" if self.semi_synthetic else "stars"
        _, name, level = self._worst()
        worst, at = self.labels[name], list(LEVELS).index(0.68)
        if worst.stars < FEWEST:
            return f"FAILED: only {worst.stars} {what} have a value of {name} to judge against"
        share = float(np.mean([held.coverage[at] for held in self.labels.values()]))
        error = binomial_error(share, min(held.stars for held in self.labels.values()))
        line = f"68 % intervals held {_percent(share, error)} of {self.stars} {what}"
        line += f" in {self.folds} folds"
        if self.stride > 1:
            line += f", 1 pixel in {self.stride}"
        if self.passed:
            return line
        if self._distrusted:
            label, scale = max(self._distrusted.items(), key=lambda found: found[1])
            return f"FAILED: {line}, with errors of {label} {scale:.1f} times as large as stated"
        share = _percent(worst.coverage[level], worst.error[level])
        return f"FAILED: {line}; {100 * LEVELS[level]:.0f} % intervals of {name} held {share}"

    @property
    def _distrusted(self) -> dict[str, float]:
        return {name: f for name, f in self.error_scale.items() if f > MOST_ERROR_SCALE}

    def _worst(self) -> tuple[float, str, int]:
        """Label and interval that are furthest off, in units of what passes."""
        tests = len(self.labels) * LEVELS.size
        limit = -float(ndtri(FALSE_ALARM / (2 * tests)))
        off = [
            (_excess(held, level, limit), name, level)
            for name, held in self.labels.items()
            for level in range(LEVELS.size)
        ]
        return max(off, key=lambda found: found[0])

    def __repr__(self) -> str:
        return f"<Certificate: {self.verdict}>"

    def to_json(self) -> str:
        """All of it, the verdict too, as JSON text."""
        told = {"verdict": self.verdict, "passed": self.passed, "levels": LEVELS.tolist()}
        return json.dumps(told | asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read what `to_json` wrote."""
        stored = json.loads(text)
        for told in ("verdict", "passed", "levels"):
            del stored[told]
        labels = {name: _held(h) for name, h in stored.pop("labels").items()}
        bins = {
            quantity: {name: [_held(h) for h in held] for name, held in by_label.items()}
            for quantity, by_label in stored.pop("bins").items()
        }
        return cls(labels, bins, **stored)


def _held(stored: dict) -> Held:
    """A `Held` from JSON, which knows lists only."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return Held(**values)


def _excess(held: Held, level: int, limit: float) -> float:
    """How far a share is off, in units of what passes."""
    if held.stars < FEWEST:
        return np.inf
    off = abs(held.coverage[level] - LEVELS[level])
    return off / max(TOLERANCE, limit * float(binomial_error(LEVELS, held.stars)[level]))


def _percent(share: float, error: float) -> str:
    return f"{100 * share:.0f} +- {100 * error:.0f} %"


def verdict_of(certificate: Certificate | None) -> str:
    """One line on whether intervals hold, also where nobody has looked."""
    return NO_CERTIFICATE if certificate is None else certificate.verdict
