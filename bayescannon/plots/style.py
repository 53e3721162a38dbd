"""The one style of all figures: colours, words on axes, titles, files."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import matplotlib
import numpy as np
from matplotlib import rcsetup
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from bayescannon.files import output
from bayescannon.marks import PICTURE

# Okabe and Ito's palette: told apart with any common colour vision, and in grey
BLACK, GREY = "#000000", "#6e6e6e"
BLUE, SKY, ORANGE, VERMILLION, GREEN, PURPLE = (
    "#0072b2",
    "#56b4e9",
    "#e69f00",
    "#d55e00",
    "#009e73",
    "#cc79a7",
)
CYCLE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)

COUNTS = LinearSegmentedColormap.from_list("counts", ["#d3e6f2", SKY, BLUE, "#00263d"])
"""For counts: one hue, from light to dark, so that it reads in print."""

STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "figure.titlesize": 12,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "white",
    "legend.fancybox": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.2,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "axes.prop_cycle": rcsetup.cycler(color=CYCLE),
    "axes.formatter.useoffset": False,
    "mathtext.default": "regular",
}

SYMBOLS = {
    "teff": (r"$T_\mathrm{eff}$", "K"),
    "logg": (r"$\log\,g$", "dex, cgs"),
    "feh": ("[Fe/H]", "dex"),
    "afe": (r"[$\alpha$/Fe]", "dex"),
    "ln_mass": (r"$\ln(M/M_\odot)$", ""),
    "ln_age": (r"$\ln(\mathrm{age}/\mathrm{Gyr})$", ""),
    "log_age": (r"$\log_{10}(\mathrm{age}/\mathrm{Gyr})$", ""),
    "mass": (r"$M$", r"$M_\odot$"),
    "age": ("age", "Gyr"),
}
"""Name of a label -> (symbol, unit). A pure number has the unit ''."""

DEX = 1 / np.log(10.0)
"""Natural logarithm -> dex, for labels named `ln_...`."""


def styled[**P, R](draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function in our style; the caller's own settings stay as they were."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return inner


def canvas(width: float, height: float) -> Figure:
    """Empty figure of this size [inch]."""
    return Figure(figsize=(width, height), layout="constrained")


def title(fig: Figure, text: str, note: str = "") -> None:
    """Write the figure's title, with what the caller says of the data (`semi-synthetic`)."""
    first, *rest = text.split("\n")
    first = f"{first} ({note})" if first and note else first or note
    if first:
        fig.suptitle("\n".join([first, *rest]))


@styled
def save(fig: Figure, path: str | os.PathLike) -> None:
    """Write a PNG, 150 dpi. A picture drawn again gives the same bytes: no date or version inside.

    Parameters
    ----------
    fig : Figure
    path : path
        File to write (.png). A picture that this function drew is replaced, nothing else.

    Raises
    ------
    UserError
        If something else is there, or nothing may be written there.
    """
    with output(path, PICTURE, overwrite=True) as beside:
        metadata = {"Software": PICTURE.creator}
        fig.savefig(beside, format="png", dpi=150, metadata=metadata)


def symbol(name: str) -> str:
    """Symbol of a label; the name itself where we know none (safe for matplotlib)."""
    return SYMBOLS[name][0] if name in SYMBOLS else name.replace("$", r"\$")


def unit(name: str) -> str:
    """Unit of a label as text; '' for a pure number or a name that we do not know."""
    return SYMBOLS.get(name, ("", ""))[1]


def axis_label(name: str, prefix: str = "") -> str:
    """Text for an axis: `input [Fe/H] [dex]`."""
    text = f"{prefix} {symbol(name)}".strip()
    return f"{text} [{unit(name)}]" if unit(name) else text


def amount(name: str, value: float, signed: bool = False) -> str:
    """Write a difference of a label with its unit; natural logarithms also in dex."""
    sign = "+" if signed else ""
    digits = ".1f" if name == "teff" else ".3f"
    if not name.startswith("ln_") and abs(value) < 0.02:
        digits = ".4f"
    text = f"{value:{sign}{digits}} {unit(name).split(',')[0]}".strip()
    return f"{text} ({value * DEX:{sign}.3f} dex)" if name.startswith("ln_") else text


def number(name: str, value: float) -> str:
    """Write the value of a label without its unit."""
    return f"{value:.0f}" if name == "teff" else f"{value:.2f}"


def equation(name: str, value: float) -> str:
    """Write a label with its value and unit: `[Fe/H] = -0.10 dex`."""
    return f"{symbol(name)} = {number(name, value)} {unit(name).split(',')[0]}".strip()
