"""Room 4: training of every pixel. Arrays in, arrays out."""

from .channels import DEGREES_OF_FREEDOM, ChannelFit, fit_channels
from .joint import MAX_ROUNDS, fit_joint
from .pixel import pixel_program
from .result import Joint, Round
from .shrink import shrink
from .solver import PixelFit, Status, fit_pixels

__all__ = [
    "DEGREES_OF_FREEDOM",
    "MAX_ROUNDS",
    "ChannelFit",
    "Joint",
    "PixelFit",
    "Round",
    "Status",
    "fit_channels",
    "fit_joint",
    "fit_pixels",
    "pixel_program",
    "shrink",
]
