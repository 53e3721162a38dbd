"""One star on one page: spectrum, posterior of the labels, age, diagnostics and flags in words."""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from bayescannon import flags
from bayescannon.calibration import NO_CERTIFICATE
from bayescannon.errors import UserError
from bayescannon.model import Model
from bayescannon.model.checks import data_mark
from bayescannon.plots.ages import draw_age_axes
from bayescannon.plots.labels import draw_corner
from bayescannon.plots.spectra import draw_spectrum
from bayescannon.plots.style import number, styled, unit
from bayescannon.plots.windows import paper_windows
from bayescannon.spectra import Spectra
from bayescannon.trees import array

STATISTICS = {
    "khat": "Pareto k-hat",
    "ess": "effective sample size",
    "rhat": "split R-hat",
    "divergences": "divergences",
    "n_modes": "modes found",
    "shift": "error of Laplace [sd]",
    "distance": "distance to training set",
    "p_outside": "P(outside training)",
}
"""Numbers per star that the page shows where the method knows them."""


@styled
def draw_star(
    model: Model,
    spectra: Spectra,
    post: xr.DataTree,
    star_id: str,
    ages: xr.DataTree | None = None,
    *,
    note: str = "",
) -> Figure:
    """Draw everything that is known of one star.

    Parameters
    ----------
    model : Model
    spectra : Spectra
        Normalised, with this star in it.
    post : xarray.DataTree
        Of `infer`.
    star_id : str
    ages : xarray.DataTree, optional
        Of `infer_ages`.
    note : str
        What kind of data it is; what the posterior says without.

    Returns
    -------
    Figure

    Raises
    ------
    UserError
        If one of them does not know the star.
    """
    where = _row(array(post, "point/star"), star_id, "posteriors")
    flux, ivar = (a[0] for a in spectra[_row(spectra.star_id, star_id, "spectra")].arrays())
    mean = array(post, "point/mean")[where]
    centres = paper_windows(model)
    rows = -(-len(centres) // 2)
    height = 2.7 * rows + 1.0
    fig = Figure(figsize=(13.0, height + 9.0), layout="constrained")
    top, bottom = np.ravel(np.asarray(fig.subfigures(2, 1, height_ratios=[height, 9.0])))
    note = note or data_mark(post.attrs)
    draw_spectrum(model, flux, ivar, mean, centres, star_id=star_id, note=note, fig=top)
    left, right = bottom.subfigures(1, 2, width_ratios=[9.0, 4.0])
    draws = np.stack([array(post, f"posterior/{k}")[..., where] for k in model.labels], axis=-1)
    best = array(post, "point/map")[where]
    _place(left, draw_corner(draws.reshape(-1, len(model.labels)), model.labels, best))
    age, words = right.subplots(2, 1, height_ratios=[1.0, 2.2])
    if ages is None:
        age.set_axis_off()
    else:
        row = _row(array(ages, "posterior/star"), star_id, "ages")
        values = array(ages, "posterior/age")[..., row].reshape(-1, 1)
        draw_age_axes(age, values, [""])
        age.set_title("age posterior", loc="left")
    fig.suptitle("")
    words.set_axis_off()
    text = _words(post, model, where)
    words.text(0.0, 1.0, text, va="top", family="DejaVu Sans Mono", fontsize=9.5)
    return fig


def _row(names: np.ndarray, star_id: str, what: str) -> int:
    found = np.flatnonzero(names.astype(str) == star_id)
    if not found.size:
        raise UserError(f"star {star_id!r} is not among the {len(names)} of the {what}")
    return int(found[0])


def _place(where: SubFigure, picture: Figure) -> None:
    """Show a figure that must lay itself out inside another one."""
    picture.set_dpi(220)
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    ax = where.subplots()
    ax.imshow(np.asarray(canvas.buffer_rgba()), interpolation="lanczos")
    ax.set_axis_off()


def _words(post: xr.DataTree, model: Model, star: int) -> str:
    mean = array(post, "point/mean")[star]
    sd = np.sqrt(np.diag(array(post, "point/cov")[star]))
    lines = [f"{post.attrs['method']}, prior {post.attrs['prior']}"]
    lines += [*textwrap.wrap(post.attrs.get("certificate", NO_CERTIFICATE), 44), ""]
    for name, middle, width in zip(model.labels, mean, sd, strict=True):
        kind = unit(name).split(",")[0]
        word = name.replace("_", " ")
        lines.append(f"{word:<9}{number(name, middle):>8} ± {width:.2g} {kind}".rstrip())
    stats = {k: v.values for k, v in post["sample_stats"].to_dataset().items() if v.ndim == 1}
    lines.append("")
    for form in ("chi2", "chi2_full"):
        value, dof = float(stats[form][star]), float(stats["dof"][star])
        lines.append(f"{form + ' / dof':<26}{value:.0f} / {dof:.0f}")
    for name, title in STATISTICS.items():
        value = float(stats[name][star]) if name in stats else np.nan
        if np.isfinite(value):
            lines.append(f"{title:<26}{value:.3g}")
    raised = flags.explain(int(stats["flags"][star])) or ["no flag is raised"]
    lines.append("")
    for line in raised:
        lines += textwrap.wrap(line, 44, subsequent_indent="  ")
    return "\n".join(lines)
