"""What else gives a mass from six numbers of a catalogue, each with a forecast as draws.

Each baseline takes inputs and ln mass of the training stars and inputs of the others; it gives the
mean forecast (star,) and equally likely values (draw, star). Inputs: Teff [1000 K], log g, [M/H],
[alpha/M], [C/M], [N/M].
"""

import numpy as np
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from bayescannon.labels.selection import carbon_and_nitrogen
from studies.calibration.formula import fit_formula

LEVELS = (np.arange(39) + 0.5) / 39
MARTIG = np.array(
    [
        [95.87, -10.4, 41.36, 15.05, -67.61, -144.18, -9.42],
        [0, -0.73, -5.32, -0.93, 7.05, 5.12, 1.52],
        [0, 0, -46.78, -30.52, 133.58, -73.77, 16.04],
        [0, 0, 0, -1.61, 38.94, -15.29, 1.35],
        [0, 0, 0, 0, -88.99, 101.75, -18.65],
        [0, 0, 0, 0, 0, 27.77, 28.8],
        [0, 0, 0, 0, 0, 0, -4.1],
    ]
)
"""Mass [Msun] as a quadratic in 1, [M/H], [C/M], [N/M], [(C+N)/M], Teff / 4000 K, log g: Martig et
al. (2016, MNRAS 456, 3655), appendix. It was fitted to DR12's UNCALIBRATED parameters."""


def _gaussian(mean, sd):
    return mean, mean + sd * norm.ppf(LEVELS)[:, None]


def quadratic(x, y, new):
    """Least squares on all squares and products."""
    fit = fit_formula(x, y)
    return _gaussian(fit.predict(new), fit.sd)


def martig(x, y, new):
    """The published formula; its scatter and offset in ln mass are those of the training stars."""

    def ln_mass(of):
        _, both = carbon_and_nitrogen(of[:, 4], of[:, 5])
        one = np.ones(len(of))
        v = np.column_stack([one, of[:, 2], of[:, 4], of[:, 5], both, of[:, 0] / 4, of[:, 1]])
        return np.log(np.maximum(np.einsum("ni,ij,nj->n", v, MARTIG, v), 0.1))

    off = y - ln_mass(x)
    return _gaussian(ln_mass(new) + np.median(off), np.std(off))


def forest(x, y, new):
    """Quantile regression forest (Meinshausen 2006): training stars that share leaves."""
    model = RandomForestRegressor(500, min_samples_leaf=5, n_jobs=-1, random_state=0).fit(x, y)
    ours, theirs = model.apply(x), model.apply(new)
    order, draws = np.argsort(y), np.empty((len(LEVELS), len(new)))
    for i, leaves in enumerate(theirs):
        share = ours == leaves
        weight = (share / share.sum(axis=0)).mean(axis=1)[order]
        draws[:, i] = y[order][np.searchsorted(np.cumsum(weight), LEVELS).clip(0, len(y) - 1)]
    return model.predict(new), draws


def boosting(x, y, new):
    """Gradient boosting of each quantile by itself; quantiles that cross are sorted."""
    settings = {"max_iter": 100, "learning_rate": 0.05, "min_samples_leaf": 20, "random_state": 0}
    draws = [
        HistGradientBoostingRegressor(loss="quantile", quantile=q, **settings)
        .fit(x, y)
        .predict(new)
        for q in LEVELS
    ]
    mean = HistGradientBoostingRegressor(**settings).fit(x, y).predict(new)
    return mean, np.sort(draws, axis=0)


BASELINES = {
    "quadratic regression": quadratic,
    "Martig et al. 2016": martig,
    "random forest": forest,
    "gradient boosting": boosting,
}
