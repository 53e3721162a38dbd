"""Figs 8 to 10: ages over abundances and over the Galaxy."""

from collections.abc import Sequence

import numpy as np

from bayescannon.ages.population import share_younger
from studies.galaxy import AgeMap, median_of_cells, sort_into_cells
from studies.galaxy.maps import LEAST
from studies.galaxy.position import FRAME
from studies.galaxy.recovery import map_ages, recover
from studies.paper.item import Item
from studies.paper.plots import abundance_maps, age_maps, cell_recovery
from studies.paper.plots.age_maps import (
    AGE_COLOURS,
    ERROR_COLOURS,
    SHARE_COLOURS,
    Grid,
    Histogram,
    Row,
)
from studies.paper.sky import Sky, sky_of
from studies.paper.source import Source

LINE = ((-0.9, 0.19), (-0.3, 0.123), (0.0, 0.09), (0.35, 0.05))
"""Between the low- and the high-alpha sequence, ([Fe/H], [alpha/Fe]) [dex]: the paper draws one and
does not give it."""
BOX = (-0.20, -0.05, 0.02, 0.08)
"""The mono-abundance bin: lowest and highest [Fe/H], lowest and highest [alpha/Fe] [dex]."""
MANY = 10_000
"""A sample with this many stars has fine cells."""
YOUNGEST, INTERMEDIATE = 1.0, 5.0
"""Fig. 8: stars below the first, above the second [Gyr]."""
KINDS = (2.0, 6.0)
"""Figs 9 and 10: young below the first, old above the second [Gyr]; the paper gives no limits."""


def is_low_alpha(
    feh: np.ndarray, afe: np.ndarray, line: Sequence[tuple[float, float]] = LINE
) -> np.ndarray:
    """Tell which stars lie below a broken line in the plane of abundances.

    Parameters
    ----------
    feh, afe : ndarray (star,)
        [dex].
    line : sequence of (float, float)
        Points ([Fe/H], [alpha/Fe]) in the order of [Fe/H]; level beyond the ends.
    """
    return afe < np.interp(feh, *np.array(line).T)


def fig8(source: Source, line=LINE, box=BOX) -> Item:
    """Fig. 8: clump stars over ([Fe/H], [alpha/Fe]), and [Fe/H] along the disc."""
    sky, dropped = sky_of(source, "clump", 2.0)
    fine = len(sky.z) >= MANY
    step = (0.05, 0.02) if fine else (0.1, 0.03)
    cells = sort_into_cells(
        sky.feh, sky.afe, np.arange(-0.9, 0.4, step[0]), np.arange(-0.05, 0.32, step[1])
    )
    found = map_ages(sky.measured, cells, sky.model, sky.prior, sky.seed)
    truth = None
    if sky.true_age is not None:
        truth = _grid(found, median_of_cells(sky.true_age, cells))
    low = is_low_alpha(sky.feh, sky.afe, line)
    below = share_younger(sky.likelihood, sky.whole, (YOUNGEST, INTERMEDIATE))
    young, old = np.nan_to_num(below[:, 0]), np.nan_to_num(1 - below[:, 1])
    chances = {f"younger than {YOUNGEST:g} Gyr": young, "older than 5 Gyr": old}
    along = _along_the_disc(sky.radius[low], sky.feh[low], chances, low, fine)
    slopes = [_slope(sky.radius[low], sky.feh[low], c[low]) for c in (young, old)]
    fig = abundance_maps.draw(
        _grid(found, found.median),
        _grid(found, found.error),
        truth,
        along,
        line,
        box,
        heading="Red-clump stars: ages over abundances",
        note=sky.note,
    )
    numbers = {
        "stars": len(sky.z),
        "dropped by chi2": dropped,
        "cells": cells.n_cell,
        "younger than 1 Gyr": float(young.sum()),
        "older than 5 Gyr": float(old.sum()),
        "gradient young [dex/kpc]": slopes[0],
        "gradient old [dex/kpc]": slopes[1],
        "scatter young [dex]": _scatter(sky.radius[low], sky.feh[low], young[low]),
        "scatter old [dex]": _scatter(sky.radius[low], sky.feh[low], old[low]),
    }
    truth_word = ", and the true median" if truth else ""
    caption = f"""# Fig. 8: ages of red-clump stars over abundances

{_made(sky)}**Drawn.** Median age of the stars of each cell, density, half the 68 % interval of
the median{truth_word}. Below, [Fe/H] against R_GAL of young and of old stars under the dashed line
(the low-alpha sequence). Each star counts with its probability of being so old, under the age
distribution of the whole sample.

**Cuts and numbers.** Reduced chi2 < 2: {len(sky.z)} stars kept, {dropped} dropped. Cells with fewer
than {LEAST} stars are grey with a dot; {cells.n_cell} are filled. {young.sum():.0f} stars are
younger than 1 Gyr, {old.sum():.0f} older than 5 Gyr. [Fe/H] of low-alpha stars falls by
{-slopes[0]:.3f} dex/kpc (young) and {-slopes[1]:.3f} dex/kpc (old); scatter about that:
{numbers["scatter young [dex]"]:.3f} and {numbers["scatter old [dex]"]:.3f} dex.
The dividing line is ours, as the paper draws one and does not give it: it is a parameter
(`studies.paper.maps.fig8(source, line=..., box=...)`).

**The paper found** 17,065 stars below chi2 = 2, 1669 younger than 1 Gyr, 6716 older than 5 Gyr, and
[Fe/H] less tightly correlated with radius for older stars: radial mixing.

**Ours differs.** A cell's median is inferred from the age draws of all its stars with the age prior
divided out, not from point ages, and no mass is clipped to the oldest isochrone.
"""
    return Item({"fig8": fig}, caption, numbers)


def _along_the_disc(radius, feh, chances: dict, low, fine: bool) -> dict[str, Grid]:
    """Counts over (R_GAL, [Fe/H]) of low-alpha stars, each with its chance to be of an age."""
    edges = np.arange(4, 15.1, 0.5 if fine else 1.0), np.arange(-0.9, 0.36, 0.05 if fine else 0.1)
    grids = {}
    for word, chance in chances.items():
        count = np.histogram2d(radius, feh, edges, weights=chance[low])[0]
        grids[f"low alpha, {word}: {chance[low].sum():.0f} stars"] = Grid(*edges, count, count)
    return grids


def fig9(source: Source) -> Item:
    """Fig. 9: (R_GAL, z) maps of the median age of clump stars."""
    return _places(source, "fig9", "clump", 2.0, "Red-clump stars", (4, 15), 3.0)


def fig10(source: Source) -> Item:
    """Fig. 10: the same for giants of both states, with the share of young stars."""
    return _places(source, "fig10", "giants", 3.0, "Red giants", (2, 18), 4.0)


def _places(source: Source, name: str, sample: str, most_chi2, who, reach, height) -> Item:
    sky, dropped = sky_of(source, sample, most_chi2)
    step = (0.5, 0.25) if len(sky.z) >= MANY else (1.0, 0.5)
    edges = (
        np.arange(reach[0], reach[1] + 0.1, step[0]),
        np.arange(-height, height + 0.1, step[1]),
    )
    low = is_low_alpha(sky.feh, sky.afe)
    box = (sky.feh >= BOX[0]) & (sky.feh < BOX[1]) & (sky.afe >= BOX[2]) & (sky.afe < BOX[3])
    parts = {"all stars": np.ones(len(low), bool), "low alpha": low, "one abundance bin": box}
    maps: dict[str, AgeMap] = {}
    numbers: dict[str, float] = {"stars": len(low), "dropped by chi2": dropped}
    for title, here in parts.items():
        part = sky.of(here)
        cells = sort_into_cells(part.radius, part.z, *edges)
        maps[f"{title}, {here.sum()}"] = map_ages(
            part.measured, cells, sky.model, sky.prior, sky.seed
        )
        numbers |= {f"stars {title}": int(here.sum()), f"cells {title}": cells.n_cell}
    rows = [
        _row("median age [Gyr]", maps, "median", (1.0, 10.0), AGE_COLOURS),
        _row("its uncertainty [dex]", maps, "error", (0.0, 0.12), ERROR_COLOURS),
    ]
    if name == "fig10":
        rows.append(_row("younger than 5 Gyr", maps, "young", (0.0, 1.0), SHARE_COLOURS))
        rows.append(_row("its uncertainty", maps, "young_error", (0.0, 0.15), ERROR_COLOURS))
    below = np.nan_to_num(share_younger(sky.likelihood, sky.whole, KINDS))
    known = (sky.likelihood.sum(axis=1) > 0).astype(float)
    histograms: list[Histogram | None] = [_heights(sky.z, below, known, height, "heights by age")]
    figures, words = {}, ""
    if sky.true_age is not None:
        true = [sky.true_age[here] for here in parts.values()]
        rows.append(_truth(maps, true))
        below = (sky.true_age[:, None] < np.array(KINDS)[None]).astype(float)
        histograms += [None] * (len(rows) - 2)
        histograms.append(_heights(sky.z, below, np.ones(len(low)), height, "by true age"))
        recovery = recover(next(iter(maps.values())), sky.true_age)
        if len(recovery.truth):
            numbers |= _judge(recovery)
            heading = f"{who}: true and inferred median ages of cells"
            figures[f"{name}b"] = cell_recovery.draw(*recovery, heading=heading, note=sky.note)
            words = _recovery_words(numbers, name)
    figures[name] = age_maps.draw(
        rows, histograms, heading=f"{who}: ages over the Galaxy", note=sky.note
    )
    caption = _caption(name, who, most_chi2, step, dropped, sky) + words + PAPER_PLACES[name]
    return Item(figures, caption, numbers)


def _grid(found: AgeMap, values: np.ndarray) -> Grid:
    return Grid(found.cells.x_edges, found.cells.y_edges, values, found.cells.count)


def _row(quantity: str, maps: dict[str, AgeMap], what: str, limits, colours) -> Row:
    grids = {name: _grid(found, getattr(found, what)) for name, found in maps.items()}
    return Row(quantity, grids, limits, colours)


def _truth(maps: dict[str, AgeMap], true_ages: Sequence[np.ndarray]) -> Row:
    grids = {}
    for (name, found), ages in zip(maps.items(), true_ages, strict=True):
        grids[name] = _grid(found, median_of_cells(ages, found.cells))
    return Row("true median age [Gyr]", grids, (1.0, 10.0), AGE_COLOURS)


def _heights(z, below: np.ndarray, known: np.ndarray, height: float, heading: str) -> Histogram:
    edges = np.arange(-height, height + 0.1, 0.25)
    chances = {
        f"< {KINDS[0]:g} Gyr": below[:, 0],
        f"{KINDS[0]:g} to {KINDS[1]:g} Gyr": below[:, 1] - below[:, 0],
        f"> {KINDS[1]:g} Gyr": known - below[:, 1],
    }
    numbers = {k: np.histogram(z, edges, weights=c)[0] for k, c in chances.items()}
    return Histogram(edges, numbers, r"$z$ [kpc]", heading)


def _judge(recovery) -> dict[str, float]:
    inside, off = recovery.inside, np.log10(recovery.median / recovery.truth)
    large = recovery.stars >= np.median(recovery.stars)
    return {
        "cells judged": len(inside),
        "truth in 95 % interval": float(inside.mean()),
        "truth in 95 % interval, larger half of cells": float(inside[large].mean()),
        "truth in 95 % interval, smaller half of cells": float(inside[~large].mean())
        if (~large).any()
        else float("nan"),
        "mean offset [dex]": float(off.mean()),
        "rms offset [dex]": float(np.sqrt((off**2).mean())),
    }


def _caption(name: str, who: str, most_chi2: float, step, dropped: int, sky: Sky) -> str:
    share = ", the share of stars younger than 5 Gyr with the same" if name == "fig10" else ""
    made = sky.true_age is not None
    error = "5 %" if name == "fig9" else "30 %"
    distances = f"have errors of {error}" if made else "are the catalogue's, or photometric"
    return f"""# Fig. {name.removeprefix("fig")}: ages of {who.lower()} over the Galaxy

{_made(sky)}**Drawn.** Over (R_GAL, z): the median age of the stars of each cell and half its 68 %
interval{share}{", and the true median" if made else ""}. From the left: all stars, the low-alpha
sequence (under the line of Fig. 8), one abundance bin ([Fe/H] {BOX[0]} to {BOX[1]}, [alpha/Fe]
{BOX[2]} to {BOX[3]}); heights of young (below {KINDS[0]:g} Gyr), intermediate and old (above
{KINDS[1]:g} Gyr) stars, each counted with its probability. The limits are ours.

**Cuts and numbers.** Reduced chi2 < {most_chi2:g}: {len(sky.z)} stars kept, {dropped} dropped.
Cells are {step[0]:g} by {step[1]:g} kpc; those with fewer than {LEAST} stars are grey with a dot.
Distances {distances}. R_GAL and z by astropy's Galactocentric frame
`{FRAME}`: the Sun at 8.122 kpc, 20.8 pc above the plane (the paper does not state its R0).

"""


PAPER_PLACES = {
    "fig9": """**The paper found** young stars in the plane at all radii, older ones away from it
and further in, and young stars reaching higher in the outer disc (flaring), in all three maps.

**Ours differs.** Medians come from the draws of all stars of a cell, the age prior divided out;
every cell has its uncertainty, with the error of the mass scale that all its stars share.
""",
    "fig10": """**The paper found** the same trends as for the clump over a larger volume. Its
caption says median age, its text the share younger than 5 Gyr: both are here.

**Ours differs.** As for Fig. 9; the paper takes all these stars for first-ascent giants, ours are
on the branch or in the clump with the probability that their spectra give.
""",
}


def _recovery_words(numbers, name: str) -> str:
    share, cells = 100 * numbers["truth in 95 % interval"], numbers["cells judged"]
    return f"""**Recovery** (`{name}b.png`). The true median age of a cell's stars lies in its
quoted 95 % interval in {share:.0f} % of {cells} cells with {LEAST} stars or more. Inferred
medians are off by {numbers["mean offset [dex]"]:+.3f} dex in the mean,
{numbers["rms offset [dex]"]:.3f} dex rms.

"""


def _made(sky: Sky) -> str:
    if sky.true_age is None:
        return ""
    return """**Semi-synthetic**: a mock Milky Way (`bayescannon.simulate.make_galaxy`), its clump
stars at the real places in the sky of the DR12 red-clump sample. Ages, abundances, spectra and
distances are made, and known.

"""


def _slope(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1, w=np.sqrt(weight))[0])


def _scatter(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    rest = y - np.polyval(np.polyfit(x, y, 1, w=np.sqrt(weight)), x)
    return float(np.sqrt(np.average(rest**2, weights=weight)))
