"""Room 4: training of every pixel. Arrays in, arrays out."""

from .pixel import pixel_program
from .solver import PixelFit, Status, fit_pixels

__all__ = ["PixelFit", "Status", "fit_pixels", "pixel_program"]
