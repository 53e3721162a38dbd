"""Room 5: the trained model, its training from spectra and labels, and its folder on disk."""

from .fit import train
from .model import LabelMap, Model
from .store import load_model, save_model

__all__ = ["LabelMap", "Model", "load_model", "save_model", "train"]
