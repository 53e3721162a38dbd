"""Units as users' tables write them, and numbers that stand for a quantity or its logarithm."""

import re
from typing import NamedTuple

import numpy as np
from astropy import units as u

from bayescannon.errors import UserError

LN10 = float(np.log(10.0))
SMALLEST_GRAVITY = 10.0
"""[cm/s2] Gravities whose median is below are logarithms whose unit says otherwise."""


class Scale(NamedTuple):
    """How numbers stand for a quantity: its unit, and natural log of one step if logarithmic."""

    unit: u.UnitBase
    log: float | None = None


def scale_of(unit: u.UnitBase) -> Scale:
    """Scale of an astropy unit, linear or dex."""
    if unit == u.dex:
        return Scale(u.dimensionless_unscaled, LN10)
    if getattr(unit, "function_unit", None) == u.dex:
        return Scale(unit.physical_unit, LN10)  # ty: ignore[missing-attribute]
    return Scale(unit)


def written_scale(
    unit: u.UnitBase | None, name: str, target: Scale | None, default: Scale | None
) -> Scale | None:
    """Scale that the unit of column `name` says; `default` where it says none."""
    if unit is None or f"{unit}".strip() == "":  # some tables write nothing for a dex
        return default
    unit = parsed_unit(f"{unit}".strip())
    if isinstance(unit, u.UnrecognizedUnit):
        wanted = "" if target is None else f"; use {_said(target)}"
        raise UserError(f"column {name!r} has the unknown unit {unit.to_string()!r}{wanted}")
    if unit == u.dex and target is not None and target.log is not None:
        return Scale(target.unit, LN10)  # of the label's own unit
    return scale_of(unit)


def parsed_unit(text: str) -> u.UnitBase:
    """Read a unit as astropy, CDS or the survey writes it: dex(yr), [yr], log(yr)."""
    log = re.fullmatch(r"\[(?:log )?(.*)\]|log(?:10)?\s*\((.*)\)", text)
    if log is None:
        return u.Unit(text, parse_strict="silent")  # ty: ignore[unknown-argument]
    inside = (log[1] or log[2] or "").strip()
    if inside in ("", "-", "---", "cgs", "Sun", "dex"):
        return u.dex
    unit = u.Unit(inside, parse_strict="silent")  # ty: ignore[unknown-argument]
    return unit if isinstance(unit, u.UnrecognizedUnit) else u.dex(unit)


def _said(scale: Scale) -> str:
    if scale.log == 1.0:
        return f"natural logarithm of a {scale.unit}"
    return f"{scale.unit if scale.log is None else u.dex(scale.unit)}"


def _factor(given: Scale, target: Scale, name: str) -> float:
    """Factor between the linear units."""
    try:
        return 1.0 if given.unit == target.unit else float(given.unit.to(target.unit))
    except (u.UnitConversionError, u.UnitTypeError, TypeError, AttributeError) as error:
        raise UserError(
            f"column {name!r} is in {_said(given)}, which is not a {_said(target)}"
        ) from error


def converted(values: np.ndarray, given: Scale, target: Scale, name: str) -> np.ndarray:
    """Convert the values of column `name`; a UserError where they are something else."""
    factor = _factor(given, target, name)
    if given.log is None and target.log is None:
        return values * factor
    if given.log is not None and target.log is not None:
        return values * (given.log / target.log) + np.log(factor) / target.log
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if given.log is not None:
            return np.exp(values * given.log) * factor
        physical = values * factor
        if target.log != 1.0 and np.nanmedian(np.append(physical, np.inf)) < SMALLEST_GRAVITY:
            raise UserError(
                f"column {name!r} is in {_said(given)}, but its values are like logarithms: "
                f"say {_said(target)}"
            )
        return np.where(physical > 0, np.log(physical), np.nan) / target.log


def converted_errors(
    errors: np.ndarray, given: Scale, target: Scale, values: np.ndarray, name: str
) -> np.ndarray:
    """Convert errors of `values`, which are in `target` already."""
    if given.log is not None and target.log is not None:
        return errors * (given.log / target.log)
    if given.log is None and target.log is None and given.unit != u.percent:
        return errors * _factor(given, target, name)
    physical = values if target.log is None else np.exp(values * target.log)
    if given.log is not None:
        relative = errors * given.log
    elif given.unit == u.percent:
        relative = errors / 100.0
    else:
        relative = errors * _factor(given, target, name) / physical
    return relative * physical if target.log is None else relative / target.log


def in_angstrom(wavelength) -> np.ndarray:
    """Convert wavelengths that have a unit, of any shape, to Angstrom.

    Raises
    ------
    UserError
        If it is no unit of length.
    """
    try:
        return np.asarray(u.Quantity(wavelength).to_value(u.AA))
    except (u.UnitConversionError, TypeError) as error:
        raise UserError(f"wavelength is in {wavelength.unit}: give Angstrom, nm or um") from error
