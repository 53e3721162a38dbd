"""Room 2: continuum normalisation. Arrays in, arrays out."""

from .chebyshev import design, fit_continuum, normalise

__all__ = ["design", "fit_continuum", "normalise"]
