"""What every test shares: strict JAX, checked shapes, and a few small scenarios that are made once.

The numerical packages are imported under the hook of jaxtyping: beartype checks each shape in a
signature.
JAX refuses silent broadcasting between ranks and silent changes of dtype.
"""
# ruff: noqa: E402 (JAX reads its settings, and the hook is set, before the package is imported)

import hashlib
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bayescannon" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))  # the package's: clones share it

import jax
from jaxtyping import install_import_hook

jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

NUMERICAL = (
    "spectra.continuum",
    "labels",
    "states",
    "training",
    "model",
    "calibration",
    "posterior",
    "ages",
)
install_import_hook([f"bayescannon.{name}" for name in NUMERICAL], "beartype.beartype")

import numpy as np
import xarray as xr
from astropy.table import Table

import bayescannon as bc
from bayescannon import data
from bayescannon.cli.app import main
from bayescannon.labels import features

NAMES = ("teff", "logg", "feh")
PIVOT, SCALE = np.array([4700.0, 2.5, -0.1]), np.array([150.0, 0.4, 0.25])
QUIET = slice(0, 4)
"""Pixels of the small scenario without scatter, whose quoted errors are twice the real ones."""
GAP = 7
"""A pixel of the small scenario that only five stars have."""


MANY_MAPS = 20_000


@pytest.fixture(autouse=True, scope="module")
def _space_for_programs():
    """Forget compiled programs now and then: each maps memory, and Linux allows 65530 maps."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MANY_MAPS:
        jax.clear_caches()


def digests(folder: Path) -> dict[str, str]:
    """Every file of a folder, by its place in it, and what its bytes hash to."""
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


class Scenario(NamedTuple):
    """200 stars x 64 pixels x 3 labels whose spectra are exactly quadratic, and their model."""

    spectra: bc.Spectra
    labels: Table
    scaled: np.ndarray
    coefficients: np.ndarray
    scatter: np.ndarray
    recipe: bc.Recipe
    model: bc.Model


def run_cli(monkeypatch, *words) -> int:
    """Call the command line in this process (JAX stays compiled); give its exit code."""
    monkeypatch.setattr(sys, "argv", ["bayescannon", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def recipe_of(*names: str, prior: str = "population") -> bc.Recipe:
    listed = ", ".join(f'"{name}"' for name in names)
    return bc.Recipe.loads(
        f'name = "small"\n[labels]\nnames = [{listed}]\n[inference]\nprior = "{prior}"\n'
    )


def label_table(star_id, values, errors=None, names=NAMES) -> Table:
    table = Table({"star_id": np.asarray(star_id, str)})
    for i, name in enumerate(names):
        table[name] = values[:, i]
        if errors is not None:
            table[f"{name}_err"] = np.full(len(values), errors[i])
    return table


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    rng = np.random.default_rng(20160101)
    n_star, n_pixel = 200, 64
    scaled = rng.normal(size=(n_star, 3))
    coefficients = rng.normal(size=(n_pixel, 10)) * np.r_[0.0, [0.05] * 3, [0.01] * 6]
    coefficients[:, 0] = rng.uniform(0.7, 1.0, n_pixel)
    scatter = rng.uniform(0.005, 0.02, n_pixel)
    scatter[QUIET] = 0.0
    sigma = 1.0 / rng.uniform(50, 200, (n_star, 1)) * np.ones((1, n_pixel))
    noise = np.sqrt(sigma**2 + scatter**2)
    noise[:, QUIET] *= 0.5
    flux = np.asarray(features(scaled)) @ coefficients.T + noise * rng.normal(size=noise.shape)
    ivar = sigma**-2
    ivar[rng.uniform(size=ivar.shape) < 0.03] = 0.0
    ivar[5:, GAP] = 0.0
    star_id = [f"star-{i:03d}" for i in range(n_star)]
    spectra = bc.Spectra(np.linspace(15200.0, 16900.0, n_pixel), flux, ivar, star_id)
    table = label_table(star_id, PIVOT + SCALE * scaled, (5.0, 0.02, 0.01))
    recipe = recipe_of(*NAMES)
    model = bc.train(spectra, table, recipe)
    return Scenario(spectra, table, scaled, coefficients, scatter, recipe, model)


@pytest.fixture(scope="session")
def posterior(scenario) -> xr.DataTree:
    """Laplace posterior of the small scenario's stars, 100 draws each, seed 0."""
    return bc.infer(scenario.model, scenario.spectra, method="laplace", draws=100)


@pytest.fixture(scope="session")
def four_label() -> bc.Model:
    """The real four-label model that ships."""
    return bc.Model.load(data.model_path("apogee-dr12-four-label"))


@pytest.fixture(scope="session")
def giants(four_label) -> bc.Spectra:
    """The two real apStar giants: the DR12 one that ASPCAP measured, and the cool DR17 one."""
    names = ("apStar-r5-2M00004994+1621552", "apStar-dr17-2M17335483-2753043")
    paths = [DATA / f"{name}.fits.gz" for name in names]
    return bc.ingest_files(paths, four_label.recipe.pixels).spectra
