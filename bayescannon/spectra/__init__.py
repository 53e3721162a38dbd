"""Files of spectra, the grids they lie on, and the container that all other modules take."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
