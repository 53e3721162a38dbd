"""Mixing the posteriors of two models, one for each evolutionary state."""

import jax
import numpy as np
import xarray as xr

from ..keys import star_keys
from ..model.by_state import StateModels
from ..spectra import Spectra
from ..trees import array
from .run import infer


def infer_by_state(
    models: StateModels, spectra: Spectra, method: str = "importance", **settings
) -> xr.DataTree:
    """Infer each star with the models of both states, and mix their draws by P(rc).

    Parameters
    ----------
    models : StateModels
    spectra : Spectra
        Channels as in training.
    method, **settings
        As for `infer` (`prior`, `draws`, `seed`).

    Returns
    -------
    xarray.DataTree
        As of `infer`; `sample_stats/p_rc` (star,) beside. Draws are mixed (chain, draw, star),
        `point/mean` and `cov` are the mixture's, every other statistic is that of the likelier
        state's model.
    """
    rgb, rc = (infer(m, spectra, method, **settings) for m in (models.rgb, models.rc))
    p = models.p_rc(spectra)
    likely = xr.DataArray(p > 0.5, dims="star")
    n_draw = rgb["posterior"].sizes["draw"]
    which = xr.DataArray(
        _choose(p, n_draw, settings.get("seed", 0), spectra), dims=("draw", "star")
    )
    groups = {}
    for name in rgb.children:
        a, b = rgb[name].to_dataset(), rc[name].to_dataset()
        groups[name] = xr.Dataset(
            {
                k: xr.where(which if "draw" in a[k].dims else likely, b[k], a[k]).transpose(
                    *a[k].dims
                )
                for k in a.data_vars
            },
            coords=a.coords,
        )
    # densities of scaled labels, each in the units of its own model: put into label units
    jacobian = [float(np.log(m.scaling.scale).sum()) for m in (models.rgb, models.rc)]
    density = groups["sample_stats"]["log_prior"]
    unit = xr.where(which, jacobian[1], jacobian[0])
    groups["sample_stats"]["log_prior"] = (density - unit).transpose(*density.dims)
    groups["sample_stats"]["p_rc"] = ("star", p)
    _mix_moments(groups["point"], rgb, rc, p)
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(rgb.attrs) | {"model": models.id}
    return tree


def _choose(p: np.ndarray, n_draw: int, seed: int, spectra: Spectra) -> np.ndarray:
    """Which draws (draw, star) come from the clump: a fair share, at random places."""
    start = np.asarray(jax.vmap(jax.random.uniform)(star_keys(seed, spectra.star_id)))[None]
    golden = (np.arange(n_draw)[:, None] * 0.6180339887498949 + start) % 1.0
    return golden < p[None]


def _mix_moments(point: xr.Dataset, rgb: xr.DataTree, rc: xr.DataTree, p: np.ndarray) -> None:
    means = [array(t, "point/mean") for t in (rgb, rc)]
    weight = (1 - p, p)
    mean = weight[0][:, None] * means[0] + weight[1][:, None] * means[1]
    cov = np.zeros_like(array(rgb, "point/cov"))
    for w, m, tree in zip(weight, means, (rgb, rc), strict=True):
        off = m - mean
        cov += w[:, None, None] * (array(tree, "point/cov") + off[:, :, None] * off[:, None])
    point["mean"] = (point["mean"].dims, mean)
    point["cov"] = (point["cov"].dims, cov)
