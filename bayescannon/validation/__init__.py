"""Judging posteriors: against truth where it is known, by cross-validation where it is not."""

from bayescannon.calibration import Judged, judge
from bayescannon.validation.certificate import FOLDS, certificate_of, certify, train
from bayescannon.validation.crossval import (
    CrossValidation,
    assign_folds,
    check_folds,
    cross_validate,
    posterior_columns,
)
from bayescannon.validation.recalibrate import recalibrate
from bayescannon.validation.visits import Repeats, repeats

__all__ = [
    "FOLDS",
    "CrossValidation",
    "Judged",
    "Repeats",
    "assign_folds",
    "certificate_of",
    "certify",
    "check_folds",
    "cross_validate",
    "judge",
    "posterior_columns",
    "recalibrate",
    "repeats",
    "train",
]
