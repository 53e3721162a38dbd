"""Room 3: stellar labels, their tables, their scaling, and the feature vector of Eq. 2."""

from .features import feature_rows, features, monomials, n_features
from .logistic import fit_logistic
from .population import Mixture, fit_population
from .scaling import Scaling, learn_scaling
from .table import UNITS, label_arrays, read_labels

__all__ = [
    "UNITS",
    "Mixture",
    "Scaling",
    "feature_rows",
    "features",
    "fit_logistic",
    "fit_population",
    "label_arrays",
    "learn_scaling",
    "monomials",
    "n_features",
    "read_labels",
]
