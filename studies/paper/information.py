"""Where the information on a label sits: Fisher information per pixel and per window."""

from collections.abc import Mapping
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from astropy.table import Table

from bayescannon.labels import Scaling, features
from bayescannon.model import Model
from bayescannon.plots.windows import axis, first_order, strongest_pixels

NEAR = 0.4
"""A pixel belongs to a molecule if an identified line of it is nearer than this [Angstrom]: about
half the width of a line at R = 22500."""
MOLECULES = ("CN", "CO", "OH")


def expanded_about(model: Model, labels: np.ndarray) -> Model:
    """Write the same polynomial about other labels: the fluxes stay, the coefficients change.

    Parameters
    ----------
    model : Model
    labels : (label,)
        The new pivots, in label units.

    Returns
    -------
    Model
        For coefficients and generated spectra; without population, label map and uncertainty,
        which belong to the old pivots.
    """
    n_label, degree = len(model.labels), model.recipe.labels.degree
    step = model.scaled(labels)[0]
    n_feature = model.coefficients.shape[1]
    # two sets of features of the same points are related by one matrix: any points will do
    points = np.random.default_rng(0).normal(size=(4 * n_feature, n_label))
    old, new = (np.asarray(features(jnp.asarray(p), degree)) for p in (points, points - step))
    shift = np.linalg.lstsq(new, old, rcond=None)[0]
    return replace(
        model,
        scaling=Scaling(np.asarray(labels, float), model.scaling.scale),
        coefficients=model.coefficients @ shift.T,
        population=None,
        label_error=None,
        uncertainty=None,
    )


def information(model: Model, label: str, noise: float, full: bool, where=slice(None)) -> float:
    """Fisher information on one label at the pivots, the others known [per label unit squared].

    Parameters
    ----------
    model : Model
    label : str
    noise : float
        Photon noise of every pixel [flux].
    full : bool
        With the covariance F F^T of the residual factors (by Woodbury); else diagonal.
    where : bool (pixel,), optional
        Pixels that are measured; all by default.
    """
    i = model.labels.index(label)
    use = np.zeros(len(model.scatter), bool)
    use[where] = True
    use &= model.usable
    slope = first_order(model)[use, i] / model.scaling.scale[i]
    weight = 1 / (noise**2 + model.scatter[use] ** 2)
    total = float(np.sum(weight * slope**2))
    factors = model.factors[use]
    if not full or not factors.shape[1]:
        return total
    inner = np.eye(factors.shape[1]) + factors.T @ (weight[:, None] * factors)
    along = factors.T @ (weight * slope)
    return total - float(along @ np.linalg.solve(inner, along))


def window_masks(
    model: Model, lines: Table, elements: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Pixels of each molecule (from identified lines) and each element (ASPCAP DR12 windows).

    Windows overlap. `CN or CO` is the union of these two; `outside` is what none of them holds.
    """
    wavelength, at = axis(model), np.asarray(lines["wavelength"], float)
    species = np.asarray(lines["species"], str)
    masks = {}
    for name in MOLECULES:
        own = np.sort(at[species == name])
        place = np.clip(np.searchsorted(own, wavelength), 1, len(own) - 1)
        gap = np.minimum(np.abs(wavelength - own[place - 1]), np.abs(wavelength - own[place]))
        masks[name] = gap < NEAR
    weights = {n: w for n, w in elements.items() if n != "wavelength" and "_" not in n}
    for name, weight in weights.items():
        known = np.interp(wavelength, elements["wavelength"], weight, left=0, right=0)
        masks[f"[{name}]"] = known > 0
    outside = ~np.any(list(masks.values()), axis=0)
    return {"CN or CO": masks["CN"] | masks["CO"]} | masks | {"outside": outside}


def information_table(
    model: Model, label: str, noise: float, masks: Mapping[str, np.ndarray]
) -> Table:
    """Tell how much of a label's information each window holds.

    Returns
    -------
    Table
        `window`; `pixels` and `pixel_share`; `share_diagonal`: the window's part of the sum over
        pixels without factors, every window with all of its pixels, shared ones too;
        `share_divided`: the same, each pixel's information divided equally among the windows that
        hold it (`CN or CO` aside: it is the sum of its two), so that these add up to one;
        `share_alone`: information of the window measured alone over that of all pixels, both
        with the residual factors' covariance: parts need not add up.
    """
    i = model.labels.index(label)
    slope = np.nan_to_num(first_order(model)[:, i])
    each = np.where(model.usable, slope**2 / (noise**2 + model.scatter**2), 0.0)
    single = {n: m for n, m in masks.items() if n != "CN or CO"}
    many = np.maximum(np.sum(list(single.values()), axis=0), 1)
    divided = {n: float(np.sum((each / many)[m]) / each.sum()) for n, m in single.items()}
    divided["CN or CO"] = divided["CN"] + divided["CO"]
    full = information(model, label, noise, True)
    rows = [
        (
            name,
            int((mask & model.usable).sum()),
            float((mask & model.usable).sum() / model.usable.sum()),
            float(each[mask].sum() / each.sum()),
            divided[name],
            information(model, label, noise, True, mask) / full,
        )
        for name, mask in masks.items()
    ]
    heads = ("window", "pixels", "pixel_share", "share_diagonal", "share_divided", "share_alone")
    table = Table(rows=rows, names=heads)
    for name in heads[2:]:
        table[name].info.format = ".4f"
    return table


def strongest_table(model: Model, lines: Table, count: int, separation: float) -> Table:
    """List the strongest pixels of each label with the species nearest by.

    Returns
    -------
    Table
        `label`, `rank`, `wavelength` [Angstrom], `coefficient` over the label's largest,
        `species` (of the nearest identified line), `distance` to it [Angstrom], `others`:
        species of the other lines within 0.5 Angstrom.
    """
    wavelength, slope = axis(model), first_order(model)
    found = strongest_pixels(wavelength, slope, None, count, separation)
    at, species = np.asarray(lines["wavelength"], float), np.asarray(lines["species"], str)
    rows = []
    for label, places in enumerate(found):
        for rank, pixel in enumerate(places[places >= 0], 1):
            gap = np.abs(at - wavelength[pixel])
            nearest = int(np.argmin(gap))
            others = sorted(set(species[gap < 0.5]) - {species[nearest]})
            rows.append(
                (
                    model.labels[label],
                    rank,
                    wavelength[pixel],
                    slope[pixel, label] / np.abs(slope[places[0], label]),
                    _plain(species[nearest]),
                    at[nearest] - wavelength[pixel],
                    ", ".join(map(_plain, others)),
                )
            )
    heads = ("label", "rank", "wavelength", "coefficient", "species", "distance", "others")
    table = Table(rows=rows, names=heads)
    table["wavelength"].unit = table["distance"].unit = "Angstrom"
    for name, form in (("wavelength", ".2f"), ("coefficient", "+.3f"), ("distance", "+.2f")):
        table[name].info.format = form
    return table


def _plain(species: str) -> str:
    return species.replace("H_{", "H ").rstrip("}")
