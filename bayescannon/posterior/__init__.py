"""Posteriors of the labels, by the exact summary of each spectrum."""

from bayescannon.posterior.likelihood import Summary, log_likelihood, quadratic_form, summarise
from bayescannon.posterior.newton import Laplace, laplace, log_posterior
from bayescannon.posterior.prior import LabelDistribution, SoftBox, make_prior
from bayescannon.posterior.result import open_posterior, stack_draws
from bayescannon.posterior.reweight import reweight
from bayescannon.posterior.run import infer
from bayescannon.posterior.star import sample_reference, star_program

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
