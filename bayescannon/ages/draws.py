"""Draws of labels made ready for the age step: label prior divided out, states told apart."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from bayescannon.ages.states import STATE_LABELS
from bayescannon.states import STATES

USUAL_LOGG = 2.5  # [dex]; the branch's mass hardly depends on log g
FEW = 10
"""A state with fewer draws has its age from the draws of both."""


class Raw(NamedTuple):
    """Draws of a block as they come, chains joined."""

    log_mass: Float[np.ndarray, "star draw"]
    mh: Float[np.ndarray, "star draw"]
    logg: Float[np.ndarray, "star draw"]
    log_prior: Float[np.ndarray, "star draw"]
    rc: Bool[np.ndarray, "star draw"] | None
    """Whether a draw is that of a clump star; None where no model told states apart."""

    @property
    def finite(self) -> Bool[np.ndarray, "star"]:
        """Stars whose draws are numbers."""
        return np.all(
            [
                np.isfinite(a.sum(axis=1))
                for a in (self.log_mass, self.mh, self.logg, self.log_prior)
            ],
            axis=0,
        )


class Weighed(NamedTuple):
    """Draws of one state: posterior shares, and weights with the label prior divided out."""

    share: Float[np.ndarray, "star draw"]
    weight: Float[np.ndarray, "star draw"]


def salaris(feh, afe):
    """[M/H] of an alpha-enhanced mixture: [Fe/H] + log10(0.638 * 10^[a/Fe] + 0.362).

    Salaris et al. (1993, ApJ 414, 580). Arrays of any common shape, dex.
    """
    return feh + np.log10(0.638 * 10**afe + 0.362)


def read_draws(block: xr.Dataset, stats: xr.Dataset) -> Raw:
    """Take what the age step needs from a posterior's labels and `sample_stats`.

    Masses under a flat prior, where the posterior has them: dividing the population out of the
    others would leave few effective draws.
    """
    feh, own = flat(block.feh.values), "flat_ln_mass" in stats
    mass = stats.flat_ln_mass if own else block.ln_mass
    return Raw(
        log_mass=flat(mass.values) / np.log(10.0),
        mh=salaris(feh, flat(block.afe.values)) if "afe" in block else feh,
        logg=flat(block.logg.values) if "logg" in block else np.full_like(feh, USUAL_LOGG),
        log_prior=flat(stats["flat_log_prior" if own else "log_prior"].values),
        rc=flat(stats.rc.values) > 0.5 if "rc" in stats else None,
    )


def flat(values: np.ndarray) -> np.ndarray:
    """(chain, draw, star) -> (star, draw), chains joined."""
    return np.ascontiguousarray(values.reshape(-1, values.shape[-1]).T, float)


def weigh(raw: Raw, good: Bool[np.ndarray, "star"]) -> tuple[Weighed, Weighed]:
    """Weigh the draws of both states; a star that is not `good` gets equal weights."""
    log_weight = np.where(good[:, None], -raw.log_prior, 0.0)
    if raw.rc is None:
        both = _weighed(log_weight, np.ones(log_weight.shape, bool))
        return both, both
    rgb, rc = (_weighed(log_weight, raw.rc == (state == "rc")) for state in STATES)
    return rgb, rc


def _weighed(log_weight: np.ndarray, mine: np.ndarray) -> Weighed:
    used = mine | (mine.sum(axis=1) < FEW)[:, None]
    log_weight = np.where(used, log_weight, -np.inf)
    peak = log_weight.max(axis=1)
    weight = np.exp(log_weight - peak[:, None])
    share = used / used.sum(axis=1, keepdims=True)
    return Weighed(share, weight / weight.sum(axis=1, keepdims=True))


def effective_share(weighed: Weighed) -> Float[np.ndarray, "star"]:
    """Share of a state's draws that are left once the label prior is divided out."""
    n = np.sum(weighed.share > 0, axis=1)
    return 1 / np.sum(weighed.weight**2, axis=1) / n


def labels_of_state(block: xr.Dataset, every: int) -> np.ndarray:
    """Some draws of the labels that tell of the state, (star, draw, label)."""
    values = [flat(block[name].values)[:, ::every] for name in STATE_LABELS]
    return np.stack(values, axis=-1)
