"""Stellar labels, their tables, their scaling, and the feature vector of Eq. 2."""

from bayescannon.labels.checks import check_labels, stars_needed, tell_oddities
from bayescannon.labels.cuts import CUTS, training_cuts
from bayescannon.labels.features import feature_rows, features, monomials, n_features
from bayescannon.labels.join import TrainingSet, training_set
from bayescannon.labels.mixture import Mixture, WhiteMixture, straightened
from bayescannon.labels.population import fit_bent_population, fit_population
from bayescannon.labels.scaling import Scaling, learn_scaling
from bayescannon.labels.seismic import seismic_logg, seismic_mass
from bayescannon.labels.selection import CarbonNitrogenRegion, carbon_and_nitrogen, paper_selection
from bayescannon.labels.table import (
    UNITS,
    evolutionary_states,
    known_states,
    label_arrays,
    read_labels,
)

__all__ = [
    "CUTS",
    "UNITS",
    "CarbonNitrogenRegion",
    "Mixture",
    "Scaling",
    "TrainingSet",
    "WhiteMixture",
    "carbon_and_nitrogen",
    "check_labels",
    "evolutionary_states",
    "feature_rows",
    "features",
    "fit_bent_population",
    "fit_population",
    "known_states",
    "label_arrays",
    "learn_scaling",
    "monomials",
    "n_features",
    "paper_selection",
    "read_labels",
    "seismic_logg",
    "seismic_mass",
    "stars_needed",
    "straightened",
    "tell_oddities",
    "training_cuts",
    "training_set",
]
