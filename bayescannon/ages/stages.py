"""Where on an isochrone the giants are: their mass, and how many stars are there."""

import numpy as np
from jaxtyping import Bool, Float

from bayescannon.ages.tables import Isochrone

IMF_SLOPE = 2.3
"""Kroupa (2001) above 0.5 Msun: dN/dM ~ M^-2.3. Every giant was born heavier than that."""
_HALF_BIN = 0.1  # [dex] of log g: evens out the bump, where log g runs back and forth


def number_born(low, high):
    """Number of stars born between two initial masses [Msun], up to a constant."""
    power = 1 - IMF_SLOPE
    return np.maximum(low**power - high**power, 0.0) / -power


def _segments(iso: Isochrone, stage: Bool[np.ndarray, "point"]):
    """Give log g at both ends, log10 M at both ends and number of stars between neighbours."""
    pair = stage[:-1] & stage[1:]
    number = number_born(iso.initial_mass[:-1], iso.initial_mass[1:])[pair]
    log_mass = np.log10(iso.mass)
    ends = [
        column[part][pair] for column in (iso.logg, log_mass) for part in (np.s_[:-1], np.s_[1:])
    ]
    return *ends, number


def clump(iso: Isochrone) -> tuple[float, float, float]:
    """Median and standard deviation of log10 M over the core-helium stars, and ln of their number.

    Stars are counted by their number at birth, that is by time in the phase. A stray point that
    was left of the giant branch's tip has the initial mass of its neighbour: it counts nothing.
    """
    *_, low, high, number = _segments(iso, iso.rc)
    if number.sum() <= 0:
        return np.nan, np.nan, np.nan
    middle = (low + high) / 2
    order = np.argsort(middle, kind="stable")
    share = number / number.sum()
    rank = np.cumsum(share[order]) - share[order] / 2
    mean = share @ middle
    return (
        float(np.interp(0.5, rank, middle[order])),
        float(np.sqrt(share @ (middle - mean) ** 2)),
        float(np.log(number.sum())),
    )


def giant_branch(iso: Isochrone, nodes: Float[np.ndarray, "logg"]):
    """log10 M at each log g of the giant branch, and ln of the number of stars per dex of log g.

    Both are means over a bin of 0.2 dex; NaN where the branch does not pass the node.
    """
    g0, g1, m0, m1, number = _segments(iso, iso.rgb)
    result = np.full((2, len(nodes)), np.nan)
    if number.sum() <= 0:
        return result
    low, high = np.minimum(g0, g1), np.maximum(g0, g1)
    for k, node in enumerate(nodes):
        if not low.min() <= node <= high.max():
            continue
        bottom, top = np.maximum(low, node - _HALF_BIN), np.minimum(high, node + _HALF_BIN)
        share = np.clip(top - bottom, 0.0, None) / np.maximum(high - low, 1e-12)
        count = number * share
        at = ((bottom + top) / 2 - g0) / np.where(g1 == g0, 1.0, g1 - g0)
        width = min(high.max(), node + _HALF_BIN) - max(low.min(), node - _HALF_BIN)
        if count.sum() > 0:
            log_mass = count @ (m0 + at * (m1 - m0)) / count.sum()
            result[:, k] = log_mass, np.log(count.sum() / width)
    return result
