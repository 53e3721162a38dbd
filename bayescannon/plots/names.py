"""How labels are written on axes: one symbol and one unit for each name."""

import numpy as np

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
