"""Two models, one for each evolutionary state, and what tells the states apart."""

import os
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import cast

import jax.numpy as jnp
import numpy as np

from bayescannon.calibration import Certificate
from bayescannon.errors import UserError
from bayescannon.model.model import Model
from bayescannon.recipe import Recipe
from bayescannon.states import STATES, StateClassifier, p_clump

ODDS = "states.npz"


@dataclass(frozen=True)
class StateModels:
    """Models of `rgb` and `rc` stars; `infer` takes it as it takes one model.

    Attributes
    ----------
    rgb, rc : Model
        Of the same labels and the same pixels or channels.
    pivot, scale, log_odds : ndarray
        A logistic P(rc) on the quadratic of its inputs: all channels or, where spectra are
        modelled, the labels that spectra show themselves.
    share_rc : float
        Share of clump stars in training.
    certificate : Certificate or None
        As of a `Model`.
    """

    rgb: Model
    rc: Model
    pivot: np.ndarray
    scale: np.ndarray
    log_odds: np.ndarray
    share_rc: float = 0.5
    certificate: Certificate | None = None

    @property
    def name(self) -> str:
        """Name of the recipe."""
        return self.recipe.name

    @property
    def recipe(self) -> Recipe:
        """Recipe of both models."""
        return self.rgb.recipe

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in order."""
        return self.rgb.labels

    @property
    def wavelength(self) -> np.ndarray | None:
        """Vacuum wavelength [Angstrom]; None where `channel` names the pixels."""
        return self.rgb.wavelength

    @property
    def channel(self) -> tuple[str, ...] | None:
        """Names of the pixels where they are no wavelengths."""
        return self.rgb.channel

    @cached_property
    def id(self) -> str:
        """Changes with either model or with what tells the states apart."""
        text = f"{self.rgb.id}{self.rc.id}".encode() + self.log_odds.tobytes()
        return sha256(text).hexdigest()[:12]

    @property
    def parts(self) -> tuple[Model, ...]:
        """Both models, in the order of `STATES`."""
        return self.rgb, self.rc

    def p_rc(self, inputs: np.ndarray) -> np.ndarray:
        """P(rc) of inputs (star, input); an input that is NaN counts as its training mean."""
        pivot, scale, log_odds = map(jnp.asarray, (self.pivot, self.scale, self.log_odds))
        return np.asarray(p_clump(StateClassifier(pivot, scale, log_odds), jnp.asarray(inputs)))

    def save(self, folder: str | os.PathLike, overwrite: bool = False) -> None:
        """Write `rgb/`, `rc/`, `states.npz`, the recipe and the card into a folder.

        Parameters
        ----------
        folder : path
        overwrite : bool
            Replace models by state that are there, once the new ones are complete.

        Raises
        ------
        UserError
            If something else is there, or nothing may be written there.
        """
        from bayescannon.files import output
        from bayescannon.marks import STATE_MODELS
        from bayescannon.model.store import CERTIFICATE

        odds = {name: getattr(self, name) for name in ("pivot", "scale", "log_odds", "share_rc")}
        with output(folder, STATE_MODELS, overwrite) as beside:
            beside.mkdir()
            for state, model in zip(STATES, self.parts, strict=True):
                model.save(beside / state)
            (beside / "recipe.toml").write_text(self.rgb.recipe.dumps(), encoding="utf-8")
            (beside / "CARD.md").write_text(self.rgb.card, encoding="utf-8")
            np.savez(beside / ODDS, allow_pickle=False, **odds)
            if self.certificate is not None:
                (beside / CERTIFICATE).write_text(self.certificate.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "StateModels":
        """Read what `save` wrote, or the models of this name that ship."""
        from bayescannon.data import or_shipped
        from bayescannon.model.store import read_certificate

        folder = or_shipped(folder)
        if not (folder / ODDS).is_file():
            raise UserError(f"{folder}: no models by state ({ODDS} is missing)")
        with np.load(folder / ODDS) as stored:
            pivot, scale, log_odds = (stored[k] for k in ("pivot", "scale", "log_odds"))
            share = float(stored["share_rc"]) if "share_rc" in stored else 0.5
        rgb, rc = (Model.load(folder / state) for state in STATES)
        return cls(rgb, rc, pivot, scale, log_odds, share, read_certificate(folder))


AnyModel = Model | StateModels
"""What `infer` and `run_catalog` take."""


def load(folder: str | os.PathLike) -> AnyModel:
    """Read a folder that holds one model, or models by state, or those of this name that ship.

    Raises
    ------
    UserError
        If it is no model folder, is damaged, or was written by a newer version.
    """
    from bayescannon.data import or_shipped

    folder = or_shipped(folder)
    kind = StateModels if (folder / ODDS).is_file() else Model
    return kind.load(folder)


def states_of(model: AnyModel) -> StateModels | None:
    """Models of both states; None where there is one for all stars."""
    return model if isinstance(model, StateModels) else None


def parts_of(model: AnyModel) -> tuple[Model, ...]:
    """One model, or those of both states."""
    states = states_of(model)
    return (cast(Model, model),) if states is None else states.parts
