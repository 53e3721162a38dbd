"""Posteriors as netCDF files: what `to_netcdf` writes opens again and serves as before."""

import numpy as np
import pytest
import xarray as xr

import bayescannon as bc
from bayescannon.posterior.result import as_posterior

SAMPLED = {"ln_mass": (0.2, 0.05), "feh": (0.0, 0.05)}


@pytest.fixture(scope="module")
def ages():
    rng = np.random.default_rng(0)
    draws = {name: rng.normal(*law, (1, 40, 3)) for name, law in SAMPLED.items()}
    return bc.infer_ages(as_posterior(draws, ["a", "b", "c"]))


@pytest.fixture(params=["infer", "open_posterior", "reweight", "recalibrate", "infer_ages"])
def tree(request, scenario, posterior, ages, tmp_path):
    if request.param == "open_posterior":
        bc.infer(scenario.model, scenario.spectra[:3], "laplace", draws=4, out=tmp_path / "p.zarr")
        return bc.open_posterior(tmp_path / "p.zarr")
    if request.param == "reweight":
        return bc.reweight(posterior, "flat")
    if request.param == "recalibrate":
        wide = posterior.copy()
        wide.attrs["inflation"] = "{}"
        return wide
    return ages if request.param == "infer_ages" else posterior


def test_to_netcdf_and_back(tree, tmp_path):
    tree.to_netcdf(tmp_path / "tree.nc")
    with xr.open_datatree(tmp_path / "tree.nc") as back:
        xr.testing.assert_identical(back.load(), tree.load())


def test_a_file_serves_as_the_posterior_that_it_was_written_from(ages, posterior, tmp_path):
    posterior.to_netcdf(tmp_path / "post.nc")
    with xr.open_datatree(tmp_path / "post.nc") as back:
        again, first = bc.build_catalog(back), bc.build_catalog(posterior)
    assert list(again["star_id"]) == list(first["star_id"])
    assert np.array_equal(again["teff_q50"], first["teff_q50"])


def test_reweighting_keeps_the_names_of_the_stars(posterior):
    flat = bc.reweight(posterior, "flat")
    assert list(flat["posterior"].star.values) == list(posterior["posterior"].star.values)


def test_stores_with_nested_attributes_still_serve(posterior, tmp_path):
    old = posterior.copy()
    old.attrs = posterior.attrs | {"versions": {"jax": "0.8"}}
    old.to_zarr(tmp_path / "post.zarr", consolidated=False)
    table = bc.build_catalog(bc.open_posterior(tmp_path / "post.zarr"))
    assert table.meta["post_versions"] == {"jax": "0.8"}
    bc.write_catalog(table, tmp_path / "catalog.fits")
