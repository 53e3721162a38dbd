"""Ages of stars outside the training set's carbon and nitrogen, beside the others (Section 4)."""

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.style import BLUE, VERMILLION, canvas, styled, title


@styled
def draw(
    c_n: np.ndarray,
    cn_m: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    age: np.ndarray,
    *,
    note: str = "",
) -> Figure:
    """Draw both groups in the plane of abundances, and the distributions of their ages.

    Parameters
    ----------
    c_n, cn_m : (star,)
        [C/N] and [(C+N)/M] [dex].
    inside, outside : bool (star,)
        Members of the two groups.
    age : (star,)
        [Gyr]; NaN is left out.
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes.
    """
    fig = canvas(10.0, 4.6)
    plane, ages = fig.subplots(1, 2)
    groups = {
        "inside": (inside, BLUE, "o", "solid"),
        "outside": (outside, VERMILLION, "^", "dashed"),
    }
    for name, (members, colour, marker, dashes) in groups.items():
        words = f"{name}: {int(members.sum())} stars"
        size = 8 if name == "inside" else 22
        plane.scatter(
            c_n[members],
            cn_m[members],
            s=size,
            c=colour,
            marker=marker,
            lw=0,
            alpha=0.6,
            label=words,
        )
        known = np.sort(age[members & np.isfinite(age)])
        if known.size:
            share = np.arange(1, known.size + 1) / known.size
            ages.step(known, share, where="post", color=colour, ls=dashes, lw=1.8, label=words)
    plane.set(xlabel="[C/N] [dex]", ylabel="[(C+N)/M] [dex]")
    ages.set(xlabel="median age of a star [Gyr]", ylabel="share of stars below", ylim=(0, 1.02))
    ages.set_xlim(0, 14)
    plane.legend(loc="lower right")
    ages.legend(loc="lower right")
    title(fig, "Stars inside and outside the training set's [C/N], [(C+N)/M] at their [Fe/H]", note)
    return fig
