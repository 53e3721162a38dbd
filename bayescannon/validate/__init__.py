"""Judging posteriors: against truth where it is known, by cross-validation where it is not."""

from .crossval import CrossValidation, assign_folds, cross_validate, posterior_columns
from .statistics import Judged, judge

__all__ = [
    "CrossValidation",
    "Judged",
    "assign_folds",
    "cross_validate",
    "judge",
    "posterior_columns",
]
