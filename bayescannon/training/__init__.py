"""Training of every pixel. Arrays in, arrays out."""

from bayescannon.training.budget import ErrorBudget, Residuals, fit_budget
from bayescannon.training.channels import DEGREES_OF_FREEDOM, ChannelFit, fit_channels
from bayescannon.training.curvature import find_curvature
from bayescannon.training.folds import Choice, Setting, choose
from bayescannon.training.joint import MAX_ROUNDS, fit_joint, iterate, pose
from bayescannon.training.pixel import pixel_program
from bayescannon.training.result import Round, TrainingResult
from bayescannon.training.shrink import shrink
from bayescannon.training.solver import PixelFit, Status, fit_pixels
from bayescannon.training.stars import few_stars

__all__ = [
    "DEGREES_OF_FREEDOM",
    "MAX_ROUNDS",
    "ChannelFit",
    "Choice",
    "ErrorBudget",
    "PixelFit",
    "Residuals",
    "Round",
    "Setting",
    "Status",
    "TrainingResult",
    "choose",
    "few_stars",
    "find_curvature",
    "fit_budget",
    "fit_channels",
    "fit_joint",
    "fit_pixels",
    "iterate",
    "pixel_program",
    "pose",
    "shrink",
]
