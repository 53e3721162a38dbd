"""Semi-synthetic spectra: real labels and a real model, with physics that the labels do not hold.

Flux = the real four-label model, minus lines of carbon and nitrogen that vary at fixed labels,
minus lines of other elements with hidden abundances, plus intrinsic scatter and photon noise.
Two sets come from this one code: `apokasc` (1502 real stars with their real masses) and `mock`
(stars whose truth is known). Nothing made here may be called real.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from bayescannon.data import apokasc as read_apokasc
from bayescannon.data import element_windows
from bayescannon.keys import star_generator
from bayescannon.labels import UNITS
from bayescannon.model import Model
from bayescannon.simulate.giants import Giants, fit_giants
from bayescannon.spectra import SIMULATED, Spectra

BASE_MODEL = "apogee-dr12-four-label"
BASE_LABELS = ("teff", "logg", "feh", "afe")
NAMES = (*BASE_LABELS, "ln_mass")

CN_DEPTH = 0.10
"""Flux lost per dex of [C/M] or [N/M] where the sensitivity is 1."""
WINDOW_DEPTH = 0.3
"""Flux lost per dex of a hidden abundance where the element's window is 1."""
HIDDEN_SD = 0.05
"""Standard deviation of the hidden abundances [dex]."""
SCATTER_SHARE, SCATTER_MAX = 0.5, 0.01
"""Intrinsic scatter: this share of the real model's, at most so much [flux]."""
NOISE_FLOOR = 0.005
"""Smallest relative photon noise."""
LABEL_ERROR = np.array([25.0, 0.02, 0.015, 0.015])
"""Random errors added to the first four labels [K, dex, dex, dex]."""
MASS_ERROR = 0.12
"""Random error of ln mass of `mock` stars that are handed out as training stars."""
CUBIC = 0.03
"""Cubic part of every label's response, in units of its linear one (third Hermite polynomial)."""
SATURATION = 0.5
"""No line gets deeper than this [flux]: depth d becomes SATURATION * tanh(d / SATURATION)."""


class Scenario(NamedTuple):
    """How a mock differs from the plain one."""

    curved: bool = False
    """Spectra have cubic and saturating terms: no quadratic model can hold them."""
    quoted: float = 1.0
    """Quoted photon error over the real one."""
    preference: float = 0.0
    """Odds of being kept change by e to this per sd of [Fe/H] and of ln mass: above 0 a set is
    metal-rich and massive, hence young; below 0 metal-poor and old."""
    age: Callable | None = None
    """(labels (star, 4), state (star,), rng) -> ln mass, ln age (star,): masses from ages."""


class Simulation(NamedTuple):
    """A semi-synthetic set: spectra, labels with errors as a catalogue has them, and the truth."""

    spectra: Spectra
    labels: Table
    truth: Table


def make_apokasc(seed: int = 0) -> Simulation:
    """Make spectra for the 1502 real giants with [C/M] and [N/M].

    The first four labels handed out have added errors (25 K, 0.02, 0.015, 0.015 dex); the mass is
    the real catalogue's, as it is. `truth` holds the four labels that went in and, as there is no
    truth for mass, the catalogue's again.
    """
    giants = real_giants()
    star_id = giants.star_id
    truth = np.column_stack([giants.labels, giants.ln_mass])
    rng = [star_generator(seed, name) for name in star_id]
    handed = truth.copy()
    handed[:, :4] += np.stack([r.normal(size=4) for r in rng]) * LABEL_ERROR
    spectra = simulate_spectra(star_id, giants.labels, giants.carbon_nitrogen, giants.snr, rng)
    return Simulation(
        spectra,
        _table(star_id, handed, giants.ln_mass_error, giants.state, giants.snr),
        _table(star_id, truth, None, giants.state, giants.snr, giants.carbon_nitrogen),
    )


def make_mock(n_star: int, seed: int = 0, scenario: Scenario | None = None) -> Simulation:
    """Make stars whose truth is known.

    The four labels are a smoothed resampling of the 1502 real ones inside the training range;
    state, ln mass, [C/M] and [N/M] follow a conditional fitted to the 1502 with the mass noise
    taken out (see `giants.fit_giants`), inside the range of the real masses. Labels handed out are
    truth plus errors (25 K, 0.02, 0.015, 0.015 dex, 12 % in mass).

    Parameters
    ----------
    n_star : int
        How many.
    seed : int
        Also part of the star ids: sets of different seeds share no star.
    scenario : Scenario, optional
        What is to be different: spectra that are not quadratic, wrong photon errors, another
        population, masses that follow from ages.
    """
    scenario, giants = scenario or Scenario(), real_giants()
    star_id = np.array([f"mock-{seed}-{i:07d}" for i in range(n_star)])
    rng = [star_generator(seed, name) for name in star_id]
    drawn = [giants.draw(r, scenario.preference) for r in rng]
    labels = np.array([d.labels for d in drawn]).reshape(n_star, 4)
    ln_mass = np.array([d.ln_mass for d in drawn])
    carbon_nitrogen = np.array([d.carbon_nitrogen for d in drawn]).reshape(n_star, 2)
    state = np.array([d.state for d in drawn], "U3")
    snr = np.array([d.snr for d in drawn])
    ln_age = None
    if scenario.age is not None:
        old, (ln_mass, ln_age) = ln_mass, scenario.age(labels, state, np.random.default_rng(seed))
        carbon_nitrogen = carbon_nitrogen + giants.response(state) * (ln_mass - old)[:, None]
    truth = np.column_stack([labels, ln_mass])
    noise = np.stack([r.normal(size=5) for r in rng]) if n_star else np.zeros((0, 5))
    handed = truth + noise * np.append(LABEL_ERROR, MASS_ERROR)
    error = np.full(n_star, MASS_ERROR)
    true = _table(star_id, truth, None, state, snr, carbon_nitrogen)
    if ln_age is not None:
        true["ln_age"] = ln_age
    return Simulation(
        simulate_spectra(star_id, labels, carbon_nitrogen, snr, rng, scenario),
        _table(star_id, handed, error, state, snr),
        true,
    )


def with_published_ages(labels: Table) -> Table:
    """Add `ln_age` and `ln_age_err` of the real giants, as APOKASC-2 published them.

    Parameters
    ----------
    labels : Table
        Of `make_apokasc`.

    Returns
    -------
    Table
        A copy; NaN where there is no published age.
    """
    real = read_apokasc()
    row = {str(name): i for i, name in enumerate(real["star_id"])}
    rows = [row[str(name)] for name in labels["star_id"]]
    age, error = (
        np.ma.filled(np.ma.asarray(real[column]).astype(float), np.nan)[rows]
        for column in ("age_apokasc2", "age_apokasc2_err")
    )
    out = labels.copy()
    out["ln_age"], out["ln_age_err"] = np.log(age), error / age
    return out


@cache
def real_giants() -> Giants:
    """Fit what the real giants look like (once)."""
    return fit_giants(read_apokasc())


@cache
def base_model() -> Model:
    """Read the real four-label model that fluxes are made from (once)."""
    return Model.load(BASE_MODEL)


def simulate_spectra(
    star_id, labels, carbon_nitrogen, snr, rng, scenario: Scenario | None = None
) -> Spectra:
    """Make spectra of given stars: labels (star, 4), residuals of [C/M] and [N/M], S/N."""
    scenario = scenario or Scenario()
    model, windows = base_model(), element_windows()
    cn = np.stack([windows["sensitivity_dr16_C"], windows["sensitivity_dr16_N"]])
    others = [w for name, w in windows.items() if len(name) <= 2 and name not in ("C", "N")]
    n_pixel = model.scatter.size
    usable = model.usable
    scatter = np.minimum(SCATTER_SHARE * model.scatter, SCATTER_MAX)
    sigma = np.maximum(1.0 / snr, NOISE_FLOOR)
    flux = np.zeros((len(star_id), n_pixel), np.float32)
    ivar = np.zeros_like(flux)
    for start in range(0, len(star_id), 512):
        block = slice(start, start + 512)
        hidden = np.stack([r.normal(scale=HIDDEN_SD, size=len(others)) for r in rng[block]])
        clean = model.predict(labels[block]) - CN_DEPTH * carbon_nitrogen[block] @ cn
        clean -= WINDOW_DEPTH * hidden @ np.stack(others)
        if scenario.curved:
            clean = _curve(model, labels[block], clean)
        for row, (star, r) in enumerate(zip(clean, rng[block], strict=True), start):
            # scatter and photon noise are both Gaussian: one draw of their sum
            noise = np.hypot(scatter, sigma[row]) * r.standard_normal(n_pixel, np.float32)
            flux[row] = np.where(usable, star + noise, 0.0)
            ivar[row] = np.where(usable, (scenario.quoted * sigma[row]) ** -2, 0.0)
    return Spectra(
        model.wavelength, flux, ivar, star_id, columns={SIMULATED: np.ones(len(flux), bool)}
    )


def _curve(model: Model, labels: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Bend quadratic spectra (star, pixel) of stars with these labels (star, label)."""
    scaled = model.scaled(labels)
    linear = model.coefficients[:, 1 : 1 + scaled.shape[1]]
    bent = clean + CUBIC * (scaled**3 - 3 * scaled) @ linear.T
    return 1 - SATURATION * np.tanh((1 - bent) / SATURATION)


def _table(star_id, labels, ln_mass_error, state, snr, carbon_nitrogen=None) -> Table:
    table = Table({"star_id": star_id})
    errors = np.broadcast_to(np.append(LABEL_ERROR, np.nan), labels.shape).copy()
    if ln_mass_error is not None:
        errors[:, 4] = ln_mass_error
    for i, name in enumerate(NAMES):
        table[name] = labels[:, i]
        table[name].unit = UNITS[name]
        if ln_mass_error is not None:
            table[f"{name}_err"] = errors[:, i]
            table[f"{name}_err"].unit = UNITS[name]
    if carbon_nitrogen is not None:
        table["c_m"], table["n_m"] = real_giants().abundances(labels[:, :4], carbon_nitrogen).T
    table["state"] = state
    table["snr"] = snr
    table.meta["comment"] = "semi-synthetic: made by bayescannon, not observed"
    return table
