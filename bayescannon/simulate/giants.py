"""What the 1502 real giants look like: labels, and state, mass, [C/M], [N/M] given the labels."""

from typing import NamedTuple

import numpy as np
from astropy.table import Table

from bayescannon.labels import monomials
from bayescannon.states import fit_logistic

MASS_ERROR_SHARE = 0.65
"""Share of the quoted mass errors that is taken out as noise.

At the full quoted error nothing would be left: mass given the labels, [C/M], [N/M] and state
scatters by 0.108 (RC) and 0.095 (RGB) in ln, less than the 0.124 and 0.131 rms that the catalogue
quotes. With this share 0.07 and 0.04 remain.
"""
SMOOTHING = 0.25
"""Width of the kernel of the smoothed resampling, in units of the sample's own covariance."""
STATES = ("RC", "RGB")


class Drawn(NamedTuple):
    """One mock star: labels (4,), state, ln mass, ([C/M], [N/M]) residuals, S/N."""

    labels: np.ndarray
    state: str
    ln_mass: float
    carbon_nitrogen: np.ndarray
    snr: float


class Giants(NamedTuple):
    """The real stars, and the conditional density fitted to them.

    `carbon_nitrogen` are residuals after a quadratic in the four labels [dex]. For each state
    `slope` (feature, 3) and `root` (3, 3, Cholesky) give mean and covariance of (ln mass, C, N)
    at given labels; `log_odds` (feature,) gives P(RC).
    """

    star_id: np.ndarray
    labels: np.ndarray
    ln_mass: np.ndarray
    ln_mass_error: np.ndarray
    carbon_nitrogen: np.ndarray
    state: np.ndarray
    snr: np.ndarray
    pivot: np.ndarray
    scale: np.ndarray
    kernel: np.ndarray
    log_odds: np.ndarray
    slope: dict[str, np.ndarray]
    root: dict[str, np.ndarray]
    usual: np.ndarray
    """(feature, 2): the quadratic that was taken out of [C/M] and [N/M]."""

    def draw(self, rng: np.random.Generator, preference: float = 0.0) -> Drawn:
        """Draw one star from the smoothed sample and the conditional, inside the real ranges.

        With a `preference` (see `Scenario`), not every star drawn is kept.
        """
        while True:
            drawn = self._draw(rng)
            if preference == 0.0:
                return drawn
            feh, mass = self.labels[:, 2], self.ln_mass
            score = (drawn.labels[2] - feh.mean()) / feh.std()
            score += (drawn.ln_mass - mass.mean()) / mass.std()
            if rng.uniform() < 1.0 / (1.0 + np.exp(-preference * score)):
                return drawn

    def features(self, labels: np.ndarray) -> np.ndarray:
        """Quadratic features of labels (..., 4), (..., feature)."""
        return _features((labels - self.pivot) / self.scale)

    def abundances(self, labels: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """[C/M] and [N/M] (star, 2) of stars with these labels (star, 4) and residuals."""
        return self.features(labels) @ self.usual + residual

    def response(self, state: np.ndarray) -> np.ndarray:
        """Mean change of ([C/M], [N/M]) per ln mass at fixed labels, (star, 2)."""
        per_state = {name: root[1:, 0] / root[0, 0] for name, root in self.root.items()}
        return np.array([per_state[name] for name in state]).reshape(-1, 2)

    def _draw(self, rng: np.random.Generator) -> Drawn:
        """Draw one star.

        A quadratic runs away where a state has no stars: what it makes of such a place is no giant.
        """
        low, high = self.ln_mass.min(), self.ln_mass.max()
        while True:
            labels = self._draw_labels(rng)
            v = self.features(labels)
            p_rc = 1.0 / (1.0 + np.exp(-v @ self.log_odds))
            state = STATES[0] if rng.uniform() < p_rc else STATES[1]
            three = v @ self.slope[state] + self.root[state] @ rng.normal(size=3)
            if low <= three[0] <= high:
                snr = self.snr[rng.integers(len(self.snr))]
                return Drawn(labels, state, float(three[0]), three[1:], float(snr))

    def _draw_labels(self, rng: np.random.Generator) -> np.ndarray:
        low, high = self.labels.min(axis=0), self.labels.max(axis=0)
        centre = self.labels.mean(axis=0)
        shrink = np.sqrt(1 - SMOOTHING**2)  # keeps the covariance of the sample
        while True:
            chosen = self.labels[rng.integers(len(self.labels))]
            labels = centre + shrink * (chosen - centre) + self.kernel @ rng.normal(size=4)
            if ((labels >= low) & (labels <= high)).all():
                return labels


def fit_giants(table: Table) -> Giants:
    """Fit the conditional of (state, ln mass, [C/M], [N/M]) to the real catalogue.

    Parameters
    ----------
    table : Table
        As `data.apokasc()` returns it; stars without [C/M] are left out (1502 remain).

    Returns
    -------
    Giants
    """
    c_m = np.ma.filled(np.ma.asarray(table["c_m"]).astype(float), np.nan)
    table = table[np.isfinite(c_m)]
    labels = np.stack([np.asarray(table[k], float) for k in ("teff", "logg", "feh", "afe")], axis=1)
    pivot, scale = labels.mean(axis=0), labels.std(axis=0)
    v = _features((labels - pivot) / scale)
    mass = np.asarray(table["mass"], float)
    quoted = 0.5 * (np.asarray(table["mass_errp"], float) + np.asarray(table["mass_errm"], float))
    cn = np.stack([np.asarray(table[k], float) for k in ("c_m", "n_m")], axis=1)
    usual = np.linalg.lstsq(v, cn, rcond=None)[0]
    cn -= v @ usual
    state = np.asarray(table["evstate"].filled(""), str)
    three = np.column_stack([np.log(mass), cn])
    slope, root = {}, {}
    for name in STATES:
        here = state == name
        slope[name] = np.linalg.lstsq(v[here], three[here], rcond=None)[0]
        residual = three[here] - v[here] @ slope[name]
        covariance = residual.T @ residual / (here.sum() - v.shape[1])
        covariance[0, 0] -= np.mean((MASS_ERROR_SHARE * quoted[here] / mass[here]) ** 2)
        root[name] = np.linalg.cholesky(covariance)
    return Giants(
        star_id=np.asarray(table["star_id"], str),
        labels=labels,
        ln_mass=np.log(mass),
        ln_mass_error=quoted / mass,
        carbon_nitrogen=cn,
        state=state,
        snr=np.asarray(table["snr"], float),
        pivot=pivot,
        scale=scale,
        kernel=SMOOTHING * np.linalg.cholesky(np.cov(labels.T)),
        log_odds=fit_logistic(v, state == STATES[0]),
        slope=slope,
        root=root,
        usual=usual,
    )


def _features(scaled: np.ndarray) -> np.ndarray:
    """`labels.features` in NumPy: one star at a time is too little work for JAX."""
    ones = np.ones((*scaled.shape[:-1], 1))
    return np.concatenate([ones, scaled], axis=-1)[..., monomials(4)].prod(axis=-1)
