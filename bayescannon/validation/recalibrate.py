"""Apply a recorded inflation to posteriors. Nothing does so unless asked."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from bayescannon.ages.states import clump_probability
from bayescannon.calibration import Inflation, inflate, inflation_design
from bayescannon.errors import UserError
from bayescannon.precision import require_float64
from bayescannon.trees import array

LABELS = ("teff", "logg", "feh", "afe", "ln_mass")


def recalibrate(
    post: xr.DataTree, inflation: Mapping[str, Sequence[float]], snr: np.ndarray
) -> xr.DataTree:
    """Widen posteriors by what calibration found; give it to `infer_ages` or `build_catalog`.

    Parameters
    ----------
    post : xarray.DataTree
        From `infer`, with the labels teff, logg, feh, afe, ln_mass.
    inflation : mapping
        Label -> coefficients of `calibration.inflation_design`, as `bayescannon calibrate` writes
        them to `inflation.json`; labels without an entry stay as they are.
    snr : (star,)
        Signal-to-noise ratio per pixel.

    Returns
    -------
    xarray.DataTree
        A copy with wider draws and covariances; `attrs["inflation"]` records the coefficients.

    Raises
    ------
    UserError
        If the posterior lacks a label, or has been recalibrated before.
    """
    require_float64()
    if "inflation" in post.attrs:
        raise UserError("this posterior is recalibrated already: use the one that `infer` gave")
    names = [str(name) for name in array(post, "point/parameter")]
    missing = sorted({*LABELS, *inflation} - set(names))
    if missing:
        raise UserError(f"the posterior has no label {', '.join(missing)}")
    mean = array(post, "point/mean")
    labels = mean[:, [names.index(name) for name in LABELS]]
    design = inflation_design(np.asarray(snr, float), clump_probability(labels))
    factor = np.ones(mean.shape)
    out, wide = post.copy(), post["posterior"].to_dataset()
    stats = post["sample_stats"].to_dataset()
    for name, coefficients in inflation.items():
        found = Inflation(np.asarray(coefficients, float)).factor(design)
        for where, what in ((wide, name), (stats, f"flat_{name}")):
            if what in where:
                draws = where[what].values
                rows = inflate(draws.reshape(-1, len(found)), found)
                where[what] = (where[what].dims, rows.reshape(draws.shape))
        factor[:, names.index(name)] = found
    cov = array(post, "point/cov") * factor[:, :, None] * factor[:, None]
    point = post["point"].to_dataset()
    out["posterior"], out["sample_stats"] = xr.DataTree(wide), xr.DataTree(stats)
    out["point"] = xr.DataTree(point.assign(cov=(point["cov"].dims, cov)))
    out.attrs["inflation"] = json.dumps({k: list(map(float, v)) for k, v in inflation.items()})
    return out
