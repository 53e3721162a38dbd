"""Stellar labels, their tables, their scaling, and the feature vector of Eq. 2."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
