"""The trained model, its training from spectra and labels, and its folder on disk."""

from bayescannon.model.by_state import AnyModel, StateModels, load
from bayescannon.model.error import CoefficientNoise, LabelError
from bayescannon.model.fit import train
from bayescannon.model.model import Model

__all__ = [
    "AnyModel",
    "CoefficientNoise",
    "LabelError",
    "Model",
    "StateModels",
    "load",
    "train",
]
