"""Mass against age of many stars, with tracks (Fig. 12 of the paper)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

from bayescannon.plots.ages import smooth_density
from bayescannon.plots.style import BLACK, BLUE, GREY, canvas, styled, title

LIMITS = (0.3, 16.0)
"""Of the age axis [Gyr]."""


@styled
def draw(
    mass: np.ndarray,
    age: np.ndarray,
    feh: np.ndarray,
    tracks: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    heading: str = "Mass and age",
    note: str = "",
) -> Figure:
    """Draw stars, coloured by [Fe/H], tracks through them, and the distribution of ages.

    Parameters
    ----------
    mass : (star,)
        [Msun].
    age : (star,)
        [Gyr].
    feh : (star,)
        [Fe/H] [dex].
    tracks : mapping
        Name -> (mass [Msun], age [Gyr]), arrays of one length.
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes and a colour bar; stars without all three are left out and counted.
    """
    good = np.isfinite(mass) & np.isfinite(age) & np.isfinite(feh)
    fig = canvas(7.6, 7.2)
    top, low = fig.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    points = top.scatter(
        age[good], mass[good], c=feh[good], s=7, lw=0, cmap="cividis", vmin=-0.7, vmax=0.3
    )
    fig.colorbar(points, ax=top, label="[Fe/H] [dex]", extend="both", pad=0.01)
    for (name, (m, t)), dashes in zip(tracks.items(), ("solid", "dashed", "dotted"), strict=False):
        top.plot(t, m, color="white", lw=4)
        top.plot(t, m, color=BLACK, lw=1.8, ls=dashes, label=name)
    beyond = int(((age[good] < LIMITS[0]) | (age[good] > LIMITS[1])).sum())
    top.set(xscale="log", yscale="log", xlim=LIMITS, ylabel=r"mass, trained on mass [$M_\odot$]")
    masses = [0.7, 1.0, 1.5, 2.0, 3.0]
    low_mass, high_mass = (np.min(mass[good]), np.max(mass[good])) if good.any() else (0.7, 3.0)
    top.set_ylim(min(0.65, 0.95 * low_mass), max(3.0, 1.05 * high_mass))
    top.yaxis.set_major_locator(FixedLocator(masses))
    top.yaxis.set_major_formatter(ScalarFormatter())
    top.yaxis.set_minor_formatter(NullFormatter())
    words = f"{good.sum()} stars" + (f", {beyond} beyond the axis" if beyond else "")
    top.text(0.03, 0.04, words, transform=top.transAxes)
    top.legend(loc="upper right")
    if good.sum() > 1:
        x = np.linspace(*LIMITS, 400)
        low.fill_between(x, smooth_density(age[good], x, np.inf), color=BLUE, alpha=0.5, lw=0)
    low.set(xlabel="age, trained on age [Gyr]", ylabel="stars per Gyr\n[share]", ylim=(0, None))
    low.xaxis.set_major_locator(FixedLocator([0.5, 1, 2, 5, 10]))
    low.xaxis.set_major_formatter(ScalarFormatter())
    low.xaxis.set_minor_formatter(NullFormatter())
    for ax in (top, low):
        ax.axvline(14.0, color=GREY, ls="dotted", lw=1, zorder=0)
    title(fig, heading, note)
    return fig
