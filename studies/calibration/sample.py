"""Posteriors of many stars beside the values that they should hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import xarray as xr

from bayescannon.ages.states import clump_probability
from bayescannon.calibration import (
    convolve,
    fit_inflation,
    inflate,
    inflation_design,
    mixed_errors,
    normal_scores,
    pit_of_draws,
    thin,
)
from bayescannon.errors import UserError
from bayescannon.files import write_beside
from bayescannon.posterior import stack_draws
from bayescannon.trees import array, point_sd
from bayescannon.validation.recalibrate import LABELS

INFLATIONS = 2
"""Rounds of fitting: see `normal_scores`."""


@dataclass(frozen=True)
class Sample:
    """What is judged.

    Attributes
    ----------
    names : ndarray of str (quantity,)
    truth, error, degrees, mean, sd : ndarray (star, quantity)
        Value to hold; sd of its own random error, and degrees of freedom of that (inf: Gaussian);
        posterior mean and sd.
    draws : ndarray (draw, star, quantity)
        Thinned posterior draws.
    labels : ndarray (star, 5)
        Posterior means of `LABELS`: what is observed of a star.
    snr, p_rc, chi2_red, distance : ndarray (star,)
    flags, half : ndarray of int (star,)
        `half`, 0 or 1, says who corrects whom: a correction fitted to one judges the other.
    """

    names: np.ndarray
    truth: np.ndarray
    error: np.ndarray
    degrees: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    draws: np.ndarray
    labels: np.ndarray
    snr: np.ndarray
    p_rc: np.ndarray
    chi2_red: np.ndarray
    distance: np.ndarray
    flags: np.ndarray
    half: np.ndarray

    @property
    def whole_sd(self) -> np.ndarray:
        """Posterior sd convolved with the error of `truth`, (star, quantity)."""
        return np.hypot(self.sd, self.error)

    @property
    def off(self) -> np.ndarray:
        """Posterior mean minus the value to hold, (star, quantity)."""
        return self.mean - self.truth

    @property
    def mixed_error(self) -> np.ndarray:
        """Error of `truth` for each draw, (draw, star, quantity): see `mixed_errors`."""
        return mixed_errors(self.error, self.degrees, len(self.draws))

    def pit(self) -> np.ndarray:
        """PIT of the convolved posteriors, (star, quantity)."""
        return pit_of_draws(convolve(self.draws, self.mixed_error), self.truth)

    def observed(self) -> dict[str, np.ndarray]:
        """Observed quantities to bin on."""
        return {
            "S/N": self.snr,
            "log g": self.labels[:, 1],
            "[Fe/H]": self.labels[:, 2],
            "state": (self.p_rc > 0.5).astype(float),
            "predicted mass": np.exp(self.labels[:, 4]),
        }

    def inflated(self) -> tuple[Sample, dict[str, list[list[float]]]]:
        """Widen each half's posteriors by what the other half says.

        Gives coefficients, too: for each quantity those that each half was corrected by.
        """
        found, n_term = self, inflation_design(self.snr[:1], self.p_rc[:1]).shape[1]
        whole = np.zeros((len(self.names), 2, n_term))
        for _ in range(INFLATIONS):
            found, step = found._inflated_once()
            whole += step
        return found, dict(zip(self.names.tolist(), whole.tolist(), strict=True))

    def _inflated_once(self) -> tuple[Sample, np.ndarray]:
        design, draws, sd = inflation_design(self.snr, self.p_rc), self.draws.copy(), self.sd.copy()
        scores = normal_scores(self.pit()) * self.whole_sd
        coefficients = np.empty((len(self.names), 2, design.shape[1]))
        for i, half in np.ndindex(len(self.names), 2):
            fit, judged = self.half != half, self.half == half
            columns = (scores[fit, i], self.sd[fit, i], design[fit], self.error[fit, i])
            found = fit_inflation(*columns)
            factor = found.factor(design[judged])
            sd[judged, i] *= factor
            draws[:, judged, i] = inflate(self.draws[:, judged, i], factor)
            coefficients[i, half] = found.coefficients
        return replace(self, draws=draws, sd=sd), coefficients

    def save(self, path: Path) -> None:
        """Write an NPZ file."""
        with write_beside(path) as beside, beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> Sample:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            if lacking := {f.name for f in fields(cls)} - set(stored.files):
                raise UserError(
                    f"{path}: lacks {', '.join(sorted(lacking))}: another version made it; remove "
                    "its folder and run again"
                )
            return cls(**{f.name: stored[f.name] for f in fields(cls)})


def join(samples: list[Sample]) -> Sample:
    """Put samples of the same quantities together."""
    parts: dict[str, np.ndarray] = {}
    for field in fields(Sample):
        all_of_it = [getattr(s, field.name) for s in samples]
        axis = 1 if field.name == "draws" else 0
        parts[field.name] = np.concatenate(all_of_it, axis=axis)
    return Sample(**parts | {"names": samples[0].names})


def label_sample(post: xr.DataTree, truth: np.ndarray, snr: np.ndarray) -> Sample:
    """Judge the labels of a posterior by their truth (star, label)."""
    draws = stack_draws(post, LABELS)
    mean, sd = array(post, "point/mean"), point_sd(post)
    return _sample(post, np.array(LABELS), truth, draws, mean, sd, snr)


def age_sample(post: xr.DataTree, ages: xr.DataTree, ln_age: np.ndarray, snr: np.ndarray) -> Sample:
    """Judge ln age [ln Gyr] by its truth (star,)."""
    draws = np.log(array(ages, "posterior/age")[0])[..., None]
    moments = draws.mean(axis=0), draws.std(axis=0, ddof=1)
    sample = _sample(post, np.array(["ln_age"]), ln_age[:, None], draws, *moments, snr)
    return replace(sample, flags=sample.flags | array(ages, "sample_stats/flags"))


def _sample(post, names, truth, draws, mean, sd, snr) -> Sample:
    labels, stats = array(post, "point/mean"), post["sample_stats"].to_dataset()
    return Sample(
        names=names,
        truth=truth,
        error=np.zeros(truth.shape),
        degrees=np.full(truth.shape, np.inf),
        mean=mean,
        sd=sd,
        draws=thin(draws).astype(np.float32),
        labels=labels,
        snr=snr,
        p_rc=clump_probability(labels),
        chi2_red=stats["chi2"].values / stats["dof"].values,
        distance=stats["distance"].values,
        flags=stats["flags"].values.astype(int),
        half=np.arange(len(truth)) % 2,
    )
