"""Bayesian masses and ages of red giants from their spectra.

The rooms, in the order of the data: spectra, continuum, labels, train, model, calibration,
infer, ages, catalog, validate, figures, paper. Arrays in and arrays out in the numerical ones;
files at the ends.
"""

from importlib.metadata import version

# `train` and `infer` are rooms and functions: these imports leave the functions at the top
from . import calibration, flags
from .ages import Parsec, infer_ages
from .catalog import build_catalog, run_catalog, write_catalog
from .errors import UserError
from .infer import infer, open_posterior, reweight
from .ingest import ingest_files
from .labels import (
    CarbonNitrogenRegion,
    paper_selection,
    seismic_logg,
    seismic_mass,
    training_cuts,
)
from .model import Model, train
from .recipe import Recipe
from .simulate import make_apokasc, make_mock
from .spectra import Spectra, read_all_star, survey_paths
from .validate import cross_validate, recalibrate

__version__ = version("bayescannon")

__all__ = [
    "CarbonNitrogenRegion",
    "Model",
    "Parsec",
    "Recipe",
    "Spectra",
    "UserError",
    "build_catalog",
    "calibration",
    "cross_validate",
    "flags",
    "infer",
    "infer_ages",
    "ingest_files",
    "make_apokasc",
    "make_mock",
    "open_posterior",
    "paper_selection",
    "read_all_star",
    "recalibrate",
    "reweight",
    "run_catalog",
    "seismic_logg",
    "seismic_mass",
    "survey_paths",
    "train",
    "training_cuts",
    "write_catalog",
]
