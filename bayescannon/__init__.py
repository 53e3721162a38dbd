"""Bayesian masses and ages of red giants from their spectra.

Packages in the order of the data: spectra, labels, training, model, posterior, ages, catalog,
validation, plots. Numerical modules take and return arrays; files are read and written at the ends.
"""

from importlib.metadata import version

from bayescannon import calibration, flags
from bayescannon.ages import Parsec, infer_ages
from bayescannon.catalog import build_catalog, run_catalog, write_catalog
from bayescannon.errors import UserError
from bayescannon.labels import (
    CarbonNitrogenRegion,
    paper_selection,
    seismic_logg,
    seismic_mass,
    training_cuts,
)
from bayescannon.model import Model, train
from bayescannon.posterior import infer, open_posterior, reweight
from bayescannon.recipe import Recipe
from bayescannon.simulate import make_apokasc, make_mock
from bayescannon.spectra import Spectra, read_all_star, survey_paths
from bayescannon.spectra.ingest import ingest_files
from bayescannon.validation import certify, cross_validate, recalibrate

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
    "certify",
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
