"""Judging posteriors: against truth where it is known, by cross-validation where it is not."""

from ..calibration import Judged, judge
from .crossval import CrossValidation, assign_folds, cross_validate, posterior_columns
from .recalibrate import recalibrate

__all__ = [
    "CrossValidation",
    "Judged",
    "assign_folds",
    "cross_validate",
    "judge",
    "posterior_columns",
    "recalibrate",
]
