"""Two models, one for each evolutionary state, and the probability that tells which."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from astropy.table import Table

from ..errors import UserError
from ..files import write_beside
from ..labels import features, fit_logistic
from ..recipe import Recipe
from ..spectra import Spectra
from .fit import train
from .model import Model

RIDGE = 0.3
STATES = ("rgb", "rc")


@dataclass(frozen=True)
class StateModels:
    """Models of `rgb` and `rc` stars, and a logistic P(rc) on the quadratic of all channels."""

    rgb: Model
    rc: Model
    pivot: np.ndarray
    scale: np.ndarray
    log_odds: np.ndarray

    @property
    def id(self) -> str:
        """Changes with either model or the classifier."""
        text = f"{self.rgb.id}{self.rc.id}".encode() + self.log_odds.tobytes()
        return sha256(text).hexdigest()[:12]

    def p_rc(self, spectra: Spectra) -> np.ndarray:
        """P(rc) of each star, (star,); a missing channel counts as its training mean."""
        flux, ivar = spectra.arrays()
        scaled = np.where(ivar > 0, (flux - self.pivot) / self.scale, 0.0)
        # beyond the training range a quadratic would be sure of anything
        odds = features(jnp.asarray(np.clip(scaled, -4, 4))) @ jnp.asarray(self.log_odds)
        return np.asarray(1 / (1 + jnp.exp(-odds)))

    def save(self, folder: str | os.PathLike) -> None:
        """Write `rgb/`, `rc/` and `states.npz` into a folder, made if it is not there."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for state in STATES:
            getattr(self, state).save(folder / state)
        with write_beside(folder / "states.npz") as beside, beside.open("wb") as file:
            np.savez(file, pivot=self.pivot, scale=self.scale, log_odds=self.log_odds)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "StateModels":
        """Read what `save` wrote."""
        folder = Path(folder)
        if not (folder / "states.npz").is_file():
            raise UserError(f"{folder}: no models by state (states.npz is missing)")
        with np.load(folder / "states.npz") as stored:
            pivot, scale, log_odds = (stored[k] for k in ("pivot", "scale", "log_odds"))
        rgb, rc = (Model.load(folder / state) for state in STATES)
        return cls(rgb, rc, pivot, scale, log_odds)


def train_by_state(
    spectra: Spectra, labels: Table, state: np.ndarray, recipe: Recipe
) -> StateModels:
    """Train a model on the stars of each state, and P(rc) on all of them.

    Parameters
    ----------
    spectra, labels, recipe
        As for `train`.
    state : array of str (star,)
        `rgb` or `rc`.
    """
    state = np.char.lower(np.asarray(state, str))
    if not np.isin(state, STATES).all():
        raise UserError(f"states must be {' or '.join(STATES)} for every training star")
    flux, ivar = spectra.arrays()
    complete = (ivar > 0).all(axis=1)
    pivot, scale = flux[complete].mean(axis=0), flux[complete].std(axis=0)
    v = features(jnp.asarray((flux[complete] - pivot) / scale))
    log_odds = np.asarray(fit_logistic(v, state[complete] == "rc", RIDGE))
    rgb, rc = (train(spectra[np.flatnonzero(state == s)], labels, recipe) for s in STATES)
    return StateModels(rgb, rc, pivot, scale, log_odds)
