"""Room 2: continuum normalisation. Arrays in, arrays out."""

from .chebyshev import (
    ContinuumFit,
    continuum_factors,
    design,
    divide,
    fit_continuum,
    normalise,
    solve_continuum,
)
from .pixels import find_continuum

__all__ = [
    "ContinuumFit",
    "continuum_factors",
    "design",
    "divide",
    "find_continuum",
    "fit_continuum",
    "normalise",
    "solve_continuum",
]
