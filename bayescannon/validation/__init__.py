"""Judging posteriors: against truth where it is known, by cross-validation where it is not."""

from bayescannon.calibration import Judged, judge
from bayescannon.validation.crossval import (
    CrossValidation,
    assign_folds,
    cross_validate,
    posterior_columns,
)
from bayescannon.validation.recalibrate import recalibrate

__all__ = [
    "CrossValidation",
    "Judged",
    "assign_folds",
    "cross_validate",
    "judge",
    "posterior_columns",
    "recalibrate",
]
