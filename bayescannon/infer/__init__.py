"""Room 6: posteriors of the labels, by the exact summary of each spectrum."""

from .newton import Laplace, laplace, log_posterior
from .posterior import open_posterior, stack_draws
from .prior import LabelDistribution, SoftBox, make_prior
from .reweight import reweight
from .run import infer
from .star import sample_reference, star_program
from .summary import Summary, log_likelihood, quadratic_form, summarise

__all__ = [
    "LabelDistribution",
    "Laplace",
    "SoftBox",
    "Summary",
    "infer",
    "laplace",
    "log_likelihood",
    "log_posterior",
    "make_prior",
    "open_posterior",
    "quadratic_form",
    "reweight",
    "sample_reference",
    "stack_draws",
    "star_program",
    "summarise",
]
