"""Bayesian masses and ages of red giants from their spectra.

Packages in the order of the data: spectra, labels, training, model, posterior, ages, catalog,
validation, plots. Numerical modules take and return arrays; files are read and written at the ends.

All computing is in double precision: the first numerical module that is imported sets JAX's
`jax_enable_x64`, for the whole process. Where it is switched off again, every function that
computes raises a `UserError`.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # __init__.pyi
__version__ = version("bayescannon")
