"""`infer`: layout of a posterior, independence of order and blocks, bad stars, bad calls."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

import bayescannon as bc
from bayescannon.flags import Flag, explain
from bayescannon.posterior import make_prior, run

SAMPLED = ("chain", "draw", "star")


def _same(one: xr.DataTree, two: xr.DataTree, rtol=0.0) -> None:
    for group, node in one.children.items():
        for name, values in node.data_vars.items():
            other = two[group][name].values
            np.testing.assert_allclose(other, values.values, rtol=rtol, err_msg=name)
        np.testing.assert_array_equal(two[group].star.values, node.star.values)


def _flags(tree: xr.DataTree, star: int = 0) -> Flag:
    return Flag(int(tree.sample_stats["flags"][star]))


def test_the_tree_is_as_the_contract_says(scenario, posterior):
    assert set(posterior.children) == {"posterior", "sample_stats", "point"}
    assert list(posterior.posterior.data_vars) == ["teff", "logg", "feh"]
    for name in ("teff", "logg", "feh"):
        assert posterior.posterior[name].dims == SAMPLED
        assert posterior.posterior[name].shape == (1, 100, 200)
        assert posterior.posterior[name].dtype == np.float64
    stats = posterior.sample_stats
    assert stats.log_prior.dims == stats.log_likelihood.dims == SAMPLED
    fit = {"chi2", "chi2_full", "dof", "distance", "n_modes", "flags"}
    for name in fit | {"khat", "ess", "rhat", "divergences"}:
        assert stats[name].dims == ("star",)
    point = posterior.point
    assert point["map"].dims == point["mean"].dims == ("star", "parameter")
    assert point["cov"].dims == ("star", "parameter", "parameter_2")
    assert (
        list(point.parameter.values)
        == list(point.parameter_2.values)
        == list(scenario.model.labels)
    )
    np.testing.assert_array_equal(posterior.posterior.star.values, scenario.spectra.star_id)
    attrs = posterior.attrs
    assert (attrs["model"], attrs["model_id"]) == ("small", scenario.model.id)
    assert (attrs["prior"], attrs["seed"], attrs["method"]) == ("population", 0, "laplace")
    packages = [line.split()[0] for line in attrs["versions"]]
    assert packages == ["bayescannon", "jax", "numpyro", "numpy"]


def test_labels_come_back_with_calibrated_errors(scenario, posterior):
    """600 z scores of a fixed scenario; their sd within 4 / sqrt(1200) of 1 and a mean of 0.

    The wide prior's pull and the noise of the coefficients stay below that.
    """
    truth = np.stack([scenario.labels[name] for name in scenario.model.labels], axis=1)
    sd = np.sqrt(np.diagonal(posterior.point["cov"].values, axis1=1, axis2=2))
    z = (posterior.point["mean"].values - truth) / sd
    assert abs(z.mean()) < 4 / np.sqrt(600)
    assert abs(z.std() - 1) < 4 / np.sqrt(1200)
    reduced = posterior.sample_stats["chi2"] / posterior.sample_stats["dof"]
    assert 0.9 < float(reduced.mean()) < 1.1


def test_mean_and_cov_are_those_of_the_draws(posterior):
    draws = np.stack([posterior.posterior[k].values[0] for k in ("teff", "logg", "feh")], axis=-1)
    np.testing.assert_allclose(posterior.point["mean"], draws.mean(axis=0), rtol=1e-12)
    cov = np.cov(draws[:, 5].T)
    np.testing.assert_allclose(posterior.point["cov"][5], cov, rtol=1e-9, atol=1e-12)


def test_log_densities_are_those_of_the_pixels(scenario, posterior):
    """The log likelihood by hand from the predicted flux of one draw."""
    flux, ivar = scenario.spectra.arrays()
    model = scenario.model
    for star, draw in ((0, 0), (9, 77)):
        labels = [posterior.posterior[name].values[0, draw, star] for name in model.labels]
        good = (ivar[star] > 0) & model.usable
        variance = 1 / ivar[star][good] + model.scatter[good] ** 2
        residual = (flux[star] - model.predict(labels)[0])[good]
        by_hand = -0.5 * np.sum(residual**2 / variance + np.log(2 * np.pi * variance))
        stats = posterior.sample_stats
        np.testing.assert_allclose(stats.log_likelihood[0, draw, star], by_hand, rtol=1e-9)
        assert stats["dof"][star] == good.sum() - 3
        prior, _ = make_prior(model, None)
        log_prior = prior.log_prob(jnp.asarray(model.scaled(labels)[0]))
        np.testing.assert_allclose(stats.log_prior[0, draw, star], log_prior, rtol=1e-9)


def test_draws_depend_on_seed_and_name_only(scenario, posterior, monkeypatch):
    order = np.random.default_rng(4).permutation(200)
    shuffled = bc.infer(scenario.model, scenario.spectra[order], "laplace", draws=100)
    back = np.argsort(order)
    _same(
        posterior, shuffled.map_over_datasets(lambda d: d.isel(star=back) if d.sizes else d), 1e-9
    )
    some = bc.infer(scenario.model, scenario.spectra[30:37], "laplace", draws=100)
    for name in scenario.model.labels:
        ours = posterior.posterior[name].values[..., 30:37]
        np.testing.assert_allclose(some.posterior[name].values, ours, rtol=1e-12)
    monkeypatch.setattr(run, "STARS_PER_BLOCK", 64)
    blocks = bc.infer(scenario.model, scenario.spectra, "laplace", draws=100)
    for name in scenario.model.labels:
        ours = posterior.posterior[name].values
        np.testing.assert_allclose(blocks.posterior[name].values, ours, rtol=1e-12)
    again = bc.infer(scenario.model, scenario.spectra, "laplace", draws=100)
    _same(blocks, again)
    other = bc.infer(scenario.model, scenario.spectra[:9], "laplace", draws=100, seed=1)
    assert (other.posterior["teff"].values != posterior.posterior["teff"].values[..., :9]).all()
    one, two = (posterior.posterior["teff"].values[0, :, i] for i in (0, 1))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.5


def test_blocks_stream_to_a_store_that_is_the_tree(scenario, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "STARS_PER_BLOCK", 64)
    done = []
    memory = bc.infer(scenario.model, scenario.spectra, draws=20)
    path = tmp_path / "a" / "post.zarr"
    stored = bc.infer(scenario.model, scenario.spectra, draws=20, out=path, progress=done.append)
    assert done == [64, 128, 192, 200]
    for tree in (stored, bc.open_posterior(path)):
        _same(memory, tree)
        assert tree.attrs == memory.attrs
        assert tree.posterior["teff"].dtype == np.float64
    assert [p.name for p in path.parent.iterdir()] == ["post.zarr"]


def test_a_shorter_last_block_compiles_nothing(scenario):
    """After 200 stars in one block, 133 of them need no new program, whichever method."""
    for method in ("importance", "laplace"):
        bc.infer(scenario.model, scenario.spectra, method, draws=20)
        compiled = []

        def note(event, *_, compiled=compiled, **__):
            compiled.append(event)

        jax.monitoring.register_event_duration_secs_listener(note)
        try:
            bc.infer(scenario.model, scenario.spectra[:133], method, draws=20)
        finally:
            jax.monitoring.clear_event_listeners()
        assert [event for event in compiled if "backend_compile" in event] == []


def test_a_chi2_without_bound_is_a_flag(scenario):
    """Flux 1e6 with errors of 1e-6: chi2 of 1e24 and labels far away, flagged, no exception."""
    flux, ivar = (a[:3].copy() for a in scenario.spectra.arrays())
    flux[1], ivar[1] = 1e6, 1e12
    spectra = bc.Spectra(scenario.spectra.wavelength, flux, ivar, scenario.spectra.star_id[:3])
    for method in ("auto", "nuts"):
        tree = bc.infer(scenario.model, spectra, method, draws=20)
        assert Flag.BAD_CHI2 in _flags(tree, 1)
        assert not any(Flag.BAD_CHI2 in _flags(tree, star) for star in (0, 2))


def test_a_broken_run_leaves_the_old_store_alone(scenario, tmp_path):
    path = tmp_path / "post.zarr"
    bc.infer(scenario.model, scenario.spectra[:3], draws=5, out=path)

    def stop(_):
        raise RuntimeError("stopped")

    settings = {"draws": 5, "out": path, "progress": stop, "overwrite": True}
    with pytest.raises(RuntimeError, match="stopped"):
        bc.infer(scenario.model, scenario.spectra, **settings)
    assert [p.name for p in tmp_path.iterdir()] == ["post.zarr"]
    assert bc.open_posterior(path).posterior.sizes["star"] == 3


def test_arviz_and_corner_take_one_star(posterior, tmp_path):
    import arviz as az
    import corner
    import matplotlib as mpl

    mpl.use("agg")
    one = posterior.posterior.to_dataset().isel(star=3, drop=True)
    summary = az.summary(xr.DataTree.from_dict({"posterior": one}), kind="stats")
    assert list(summary.index) == ["teff", "logg", "feh"]
    assert float(summary["mean"].iloc[0]) == pytest.approx(float(one.teff.mean()), rel=1e-2)
    draws = np.stack([one[name].values.ravel() for name in one], axis=1)
    assert len(corner.corner(draws, labels=list(one)).axes) == 9


@pytest.mark.parametrize("how", ["no pixel", "nan flux", "nan ivar", "only unusable"])
def test_a_star_without_good_pixels_is_nan_and_harms_no_other(scenario, posterior, how):
    flux, ivar = (a[:5].copy() for a in scenario.spectra.arrays())
    if how == "no pixel":
        ivar[2] = 0
    elif how == "only unusable":
        ivar[2, scenario.model.usable] = 0
        ivar[2, ~scenario.model.usable] = 1e4
    else:
        {"nan flux": flux, "nan ivar": ivar}[how][2] = np.nan
    spectra = bc.Spectra(scenario.spectra.wavelength, flux, ivar, scenario.spectra.star_id[:5])
    tree = bc.infer(scenario.model, spectra, "laplace", draws=100)
    assert _flags(tree, 2) == Flag.NO_GOOD_PIXEL | Flag.FEW_PIXELS
    assert "labels are NaN" in explain(int(_flags(tree, 2)))[0]
    for name in ("teff", "logg", "feh"):
        values = tree.posterior[name].values
        assert np.isnan(values[..., 2]).all()
        rest = posterior.posterior[name].values[..., [0, 1, 3, 4]]
        np.testing.assert_allclose(values[..., [0, 1, 3, 4]], rest, rtol=1e-12)
    for name in ("map", "mean", "cov"):
        assert np.isnan(tree.point[name].values[2]).all()
    for name in ("log_prior", "log_likelihood", "chi2"):
        assert np.isnan(tree.sample_stats[name].values[..., 2]).all()
    assert [_flags(tree, i) & Flag.NO_GOOD_PIXEL for i in (0, 1, 3, 4)] == [0] * 4


def test_few_pixels_and_a_bad_fit_are_flagged(scenario):
    flux, ivar = (a[:3].copy() for a in scenario.spectra.arrays())
    ivar[0, 20:] = 0
    flux[1] += 0.1 * np.sin(np.arange(64))
    spectra = bc.Spectra(scenario.spectra.wavelength, flux, ivar, ["a", "b", "c"])
    tree = bc.infer(scenario.model, spectra, draws=10)
    assert Flag.FEW_PIXELS in _flags(tree, 0)
    assert Flag.BAD_CHI2 in _flags(tree, 1)
    assert Flag.BAD_CHI2 not in _flags(tree, 2)


def test_a_star_beyond_the_training_range_is_flagged(scenario):
    beyond = np.array([[5700.0, 2.5, -0.1], [4700.0, 2.5, -0.1]])
    flux = np.where(scenario.model.usable, scenario.model.predict(beyond), 0.0)
    spectra = bc.Spectra(scenario.spectra.wavelength, flux, np.full(flux.shape, 1e4), ["out", "in"])
    tree = bc.infer(scenario.model, spectra, draws=50, prior="flat")
    assert Flag.OUTSIDE_TRAINING in _flags(tree, 0)
    assert Flag.OUTSIDE_TRAINING not in _flags(tree, 1)
    assert tree.sample_stats["distance"][0] > 3 > tree.sample_stats["distance"][1]


def test_a_numpyro_distribution_is_a_prior_in_label_units(scenario):
    """A prior of 0.05 K width wins over the spectrum; log_prior is its density to a constant."""
    prior = dist.Normal(jnp.array([4600.0, 2.5, 0.0]), jnp.array([0.05, 9.0, 9.0])).to_event(1)
    tree = bc.infer(scenario.model, scenario.spectra[:20], draws=50, prior=prior)
    assert tree.attrs["prior"] == "user: Independent"
    teff = tree.point["map"].values[:, 0]
    assert np.abs(teff - 4600).max() < 0.2
    labels = np.stack([tree.posterior[k].values[0, :, 0] for k in scenario.model.labels], axis=-1)
    offset = tree.sample_stats["log_prior"].values[0, :, 0] - np.asarray(
        jax.vmap(prior.log_prob)(labels)
    )
    assert np.ptp(offset) < 1e-9


BAD_CALLS = {
    "method": ({"method": "magic"}, "method 'magic'.*auto, laplace, importance, nuts, reference"),
    "prior": ({"prior": "jeffreys"}, "prior 'jeffreys'.*'population' or 'flat'"),
    "event shape": ({"prior": dist.Normal(0.0, 1.0)}, r"event shape \(3,\).*teff, logg, feh"),
    "no prior": ({"prior": 3.0}, "not 3.0"),
    "draws": ({"draws": 1}, "draws is 1"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls_are_one_line(scenario, case):
    arguments, message = BAD_CALLS[case]
    with pytest.raises(bc.UserError, match=message) as caught:
        bc.infer(scenario.model, scenario.spectra[:2], **arguments)
    assert "\n" not in str(caught.value)


def test_another_grid_is_refused(scenario, tmp_path):
    wavelength = scenario.spectra.wavelength
    flux, ivar = (a[:2] for a in scenario.spectra.arrays())
    others = (
        bc.Spectra(wavelength[1:], flux[:, 1:], ivar[:, 1:], ["a", "b"]),
        bc.Spectra(wavelength + 0.1, flux, ivar, ["a", "b"]),
        bc.Spectra(None, flux, ivar, ["a", "b"], channel=[f"c{i}" for i in range(64)]),
    )
    for other in others:
        with pytest.raises(bc.UserError, match="model 'small'") as caught:
            bc.infer(scenario.model, other, out=tmp_path / "post.zarr")
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_training_labels_has_no_population_prior(four_label):
    with pytest.raises(bc.UserError, match=r"no 'population' prior.*prior='flat'"):
        make_prior(four_label, "population")


# --- real stars --------------------------------------------------------------------------------


def test_the_real_giants(four_label, giants):
    tree = bc.infer(four_label, giants, draws=200)
    aspcap, within = [4705, 2.58, 0.10, 0.05], [60, 0.2, 0.06, 0.06]
    assert (np.abs(tree.point["mean"].values[0] - aspcap) < within).all()
    assert _flags(tree, 0) == Flag(0)
    assert Flag.OUTSIDE_TRAINING in _flags(tree, 1)
