"""Room 5: the trained model, its training from spectra and labels, and its folder on disk."""

from .by_state import AnyModel, StateModels, load
from .fit import train
from .model import LabelMap, Model
from .store import load_model, save_model

__all__ = [
    "AnyModel",
    "LabelMap",
    "Model",
    "StateModels",
    "load",
    "load_model",
    "save_model",
    "train",
]
