"""What can be wrong with one star: a documented bit mask. A bad star is data, not an exception."""

from enum import IntFlag
from typing import NamedTuple

import numpy as np

from bayescannon.errors import plural


class Flag(IntFlag):
    """Bits of the `flags` column."""

    NO_GOOD_PIXEL = 1 << 0
    FEW_PIXELS = 1 << 1
    BAD_CHI2 = 1 << 2
    OUTSIDE_TRAINING = 1 << 3
    NOT_CONVERGED = 1 << 4
    SEVERAL_MODES = 1 << 5
    HIGH_KHAT = 1 << 6
    LOW_ESS = 1 << 7
    HIGH_RHAT = 1 << 8
    DIVERGENT = 1 << 9
    NO_AGE = 1 << 10
    OFF_GRID = 1 << 11
    AGE_TRUNCATED = 1 << 12
    AGE_EXTRAPOLATED = 1 << 13
    BAD_P_RC = 1 << 14
    NOT_GAUSSIAN = 1 << 15
    FAILED = 1 << 16
    NOT_SINGLE_STAR = 1 << 17
    BAD_STAR = 1 << 18


MEANING = {
    Flag.NO_GOOD_PIXEL: "no pixel has a usable flux: labels are NaN",
    Flag.FEW_PIXELS: "fewer than half of the model's pixels are usable",
    Flag.BAD_CHI2: "reduced chi2 above the recipe's limit: the model does not fit this spectrum",
    Flag.OUTSIDE_TRAINING: "more than 5 % of the posterior lies outside the training range",
    Flag.NOT_CONVERGED: "the optimiser stopped before the posterior's maximum",
    Flag.SEVERAL_MODES: "the posterior has more than one maximum",
    Flag.HIGH_KHAT: "Pareto k-hat above 0.7: importance weights are not reliable",
    Flag.LOW_ESS: "fewer effective draws than 80 % (NUTS) or 70 % (importance) of all: moments may "
    "be wrong; or than 10 for the age, whose median other draws then move by half its sd or more",
    Flag.HIGH_RHAT: "R-hat above 1.05: the chains do not agree",
    Flag.DIVERGENT: "NUTS reported divergent transitions",
    Flag.NO_AGE: "no age: the mass or metallicity posterior has no support on the grid",
    Flag.OFF_GRID: "more than 5 % of the posterior is off the grid in [M/H] or above its masses",
    Flag.AGE_TRUNCATED: "p_trunc above 0.05: mass below that of the oldest isochrone",
    Flag.AGE_EXTRAPOLATED: "more than 5 % of the age posterior lies above the last shipped age",
    Flag.BAD_P_RC: "P(rc) is outside 0 to 1: no age is given",
    Flag.NOT_GAUSSIAN: "the Laplace approximation's mean or sd is off by more than 0.1 sd",
    Flag.FAILED: "an error stopped this star's inference: failed.ecsv of the run says which",
    Flag.NOT_SINGLE_STAR: "no single star does this: young and alpha-rich, or too light",
    Flag.BAD_STAR: "the survey's own flags, as the recipe names them, say not to trust this star",
}


WARNINGS = Flag.SEVERAL_MODES | Flag.AGE_TRUNCATED | Flag.AGE_EXTRAPOLATED
"""Bits under which a star's numbers still stand, if less surely. Any other bit makes it bad."""


def good(flags: np.ndarray) -> np.ndarray:
    """Tell which stars' numbers can be used: no bit is set but `WARNINGS`.

    Parameters
    ----------
    flags : int (star,)
        The catalogue's `flags` column.

    Returns
    -------
    ndarray of bool (star,)
    """
    return np.asarray(flags) & ~int(WARNINGS) == 0


class Tally(NamedTuple):
    """How many stars there are, how many have any bit set, and how many are not `good`."""

    stars: int
    flagged: int
    bad: int

    @classmethod
    def of(cls, flags: np.ndarray) -> "Tally":
        """Count the stars of a `flags` column."""
        return cls(len(flags), int(np.count_nonzero(flags)), int((~good(flags)).sum()))

    def __str__(self) -> str:
        """Say it in one line: the three numbers add up to all stars."""
        clean, warned = self.stars - self.flagged, self.flagged - self.bad
        stars = plural(self.stars, "star")
        return f"{stars}: {clean} without a flag, {warned} with warnings, {self.bad} bad"


def combine(raised: dict[Flag, np.ndarray]) -> np.ndarray:
    """Add up flags of many stars: for each flag a mask (star,) that says where it is raised."""
    bits = [np.where(where, int(flag), 0) for flag, where in raised.items()]
    return np.sum(bits, axis=0)


def explain(value: int) -> list[str]:
    """Say in words what a `flags` value means.

    Parameters
    ----------
    value : int
        One entry of the catalogue's `flags` column.

    Returns
    -------
    list of str
        One line `NAME: meaning` for each bit that is set; empty for 0.

    Raises
    ------
    ValueError
        If a bit is set that no flag uses.
    """
    known = sum(MEANING)
    if value < 0 or value & ~known:
        raise ValueError(f"{value} is not a value of the flags column: use 0 to {known}")
    return [f"{flag.name}: {meaning}" for flag, meaning in MEANING.items() if value & flag]
