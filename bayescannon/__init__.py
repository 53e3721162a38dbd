"""Bayesian masses and ages of red giants from their spectra.

The rooms, in the order of the data: spectra, continuum, labels, train, model, infer, ages,
catalog, figures. Arrays in and arrays out in the numerical ones; files at the ends.
"""

from . import flags
from .errors import UserError
from .infer import infer, open_posterior
from .model import Model, train
from .recipe import Recipe
from .spectra import Spectra

__version__ = "0.1.0"

__all__ = [
    "Model",
    "Recipe",
    "Spectra",
    "UserError",
    "flags",
    "infer",
    "open_posterior",
    "train",
]
