"""Room 4: training of every pixel. Arrays in, arrays out."""

from .joint import Joint, Round, fit_joint
from .pixel import pixel_program
from .shrink import shrink
from .solver import PixelFit, Status, fit_pixels

__all__ = [
    "Joint",
    "PixelFit",
    "Round",
    "Status",
    "fit_joint",
    "fit_pixels",
    "pixel_program",
    "shrink",
]
