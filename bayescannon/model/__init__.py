"""The trained model, its training from spectra and labels, and its folder on disk."""

from bayescannon.model.by_state import AnyModel, StateModels, load
from bayescannon.model.fit import train
from bayescannon.model.model import LabelMap, Model

__all__ = [
    "AnyModel",
    "LabelMap",
    "Model",
    "StateModels",
    "load",
    "train",
]
