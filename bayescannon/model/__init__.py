"""Room 5: the trained model, its training from spectra and labels, and its folder on disk."""

from .fit import train
from .model import Model
from .store import load_model, save_model

__all__ = ["Model", "load_model", "save_model", "train"]
