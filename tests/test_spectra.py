"""The container of spectra and APOGEE's grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayescannon as bc
from bayescannon.spectra import apogee_wavelength, chip_of, pixel_index, pixel_index_of_size


def _spectra(n_star=5, n_pixel=8, seed=0):
    rng = np.random.default_rng(seed)
    flux = rng.normal(1, 0.1, (n_star, n_pixel))
    ivar = rng.uniform(100, 200, flux.shape)
    return bc.Spectra(np.arange(1.0, n_pixel + 1), flux, ivar, [f"s{i}" for i in range(n_star)])


def test_what_was_not_measured_reads_as_zero():
    flux, ivar = np.ones((1, 7)), np.ones((1, 7))
    flux[0, :2] = np.nan, np.inf
    ivar[0, 2:6] = np.nan, np.inf, -1.0, 0.0
    spectra = bc.Spectra(np.arange(7.0), flux, ivar, ["a"])
    np.testing.assert_array_equal(spectra.ivar, [[0, 0, 0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(spectra.flux, [[0, 0, 0, 0, 0, 0, 1]])
    assert spectra.flux.dtype == spectra.ivar.dtype == np.float64


def test_one_star_may_come_as_vectors():
    spectra = bc.Spectra([1.0, 2.0], [1.0, 0.9], [4.0, 4.0], "a")
    assert len(spectra) == 1
    assert spectra.flux.shape == (1, 2)
    assert repr(spectra) == "<Spectra: 1 star x 2 pixels>"


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data())
def test_selections_keep_stars_and_fluxes_together(data):
    spectra = _spectra()
    rows = data.draw(
        st.one_of(
            st.slices(5),
            st.lists(st.integers(0, 4), unique=True, min_size=1),
            st.lists(st.booleans(), min_size=5, max_size=5).map(np.array),
        )
    )
    part = spectra[rows]
    np.testing.assert_array_equal(part.flux, spectra.flux[rows])
    np.testing.assert_array_equal(part.ivar, spectra.ivar[rows])
    np.testing.assert_array_equal(part.star_id, spectra.star_id[rows])
    np.testing.assert_array_equal(part.wavelength, spectra.wavelength)


def test_one_integer_keeps_the_axis_of_stars():
    assert _spectra()[-1].star_id == ["s4"]
    assert _spectra()[np.int64(2)].flux.shape == (1, 8)


def test_a_store_is_the_container(tmp_path):
    spectra = _spectra(n_star=700)
    spectra.save(tmp_path / "a.zarr")
    stored = bc.Spectra.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(stored.star_id, spectra.star_id)
    np.testing.assert_array_equal(stored.wavelength, spectra.wavelength)
    np.testing.assert_allclose(stored.flux, spectra.flux, rtol=1e-7)
    np.testing.assert_allclose(stored[690:].ivar, spectra.ivar[690:], rtol=1e-7)
    stored[:3].save(tmp_path / "a.zarr", overwrite=True)  # replaces the store that it reads from
    assert len(bc.Spectra.open(tmp_path / "a.zarr")) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_channels_stand_in_for_wavelengths(tmp_path):
    spectra = bc.Spectra(None, np.ones((2, 3)), np.ones((2, 3)), ["a", "b"], channel=list("xyz"))
    assert spectra.wavelength is None
    spectra.save(tmp_path / "a.zarr")
    stored = bc.Spectra.open(tmp_path / "a.zarr")
    assert stored.channel == ["x", "y", "z"]
    assert stored.wavelength is None


def test_no_star_is_a_container_too(tmp_path):
    empty = bc.Spectra([1.0, 2.0], np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, str))
    assert len(empty) == 0
    assert empty.snr().shape == (0,)
    empty.save(tmp_path / "a.zarr")
    assert len(bc.Spectra.open(tmp_path / "a.zarr")) == 0


def test_signal_to_noise_is_per_measured_pixel():
    ivar = np.array([[100.0, 0, 400], [0, 0, 0]])
    spectra = bc.Spectra([1.0, 2.0, 3.0], np.ones((2, 3)), ivar, ["a", "b"])
    np.testing.assert_array_equal(spectra.snr(), [15.0, 0.0])


GOOD = {"wavelength": [1.0, 2.0], "flux": np.ones((2, 2)), "ivar": np.ones((2, 2))}
REFUSED = {
    "star_id": ({"star_id": ["a", "a"]}, "star_id 'a' appears 2 times"),
    "flux": ({"flux": np.ones((2, 3))}, r"flux has shape \(2, 3\)"),
    "ivar": ({"ivar": np.ones((1, 2))}, r"ivar has shape \(1, 2\)"),
    "falling": ({"wavelength": [2.0, 1.0]}, "increasing"),
    "nan": ({"wavelength": [1.0, np.nan]}, "finite"),
    "two axes": ({"channel": ["x", "y"]}, "not both"),
    "no axis": ({"wavelength": None}, "not neither"),
    "channel": ({"wavelength": None, "channel": ["x", "x"]}, "channel 'x' appears 2 times"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arrays_that_do_not_fit_are_refused(case):
    change, message = REFUSED[case]
    with pytest.raises(bc.UserError, match=message) as caught:
        bc.Spectra(**{**GOOD, "star_id": ["a", "b"], **change})
    assert "\n" not in str(caught.value)


def test_stores_of_other_things_are_refused(tmp_path, posterior):
    with pytest.raises(bc.UserError, match=r"nothing\.zarr: no such spectra store"):
        bc.Spectra.open(tmp_path / "nothing.zarr")
    (tmp_path / "empty.zarr").mkdir()
    posterior.to_zarr(tmp_path / "post.zarr", consolidated=False)
    _spectra().save(tmp_path / "cut.zarr")
    (tmp_path / "cut.zarr" / "zarr.json").write_text("{")
    for name in ("empty", "post", "cut"):
        with pytest.raises(bc.UserError, match=rf"{name}\.zarr: not a spectra store") as caught:
            bc.Spectra.open(tmp_path / f"{name}.zarr")
        assert "\n" not in str(caught.value)


# --- grids -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [7214, 7514, 8575])
def test_grids_have_the_pixels_they_are_named_by(size):
    wavelength = apogee_wavelength(size)
    assert wavelength.size == size
    assert (np.diff(wavelength) > 0).all()
    np.testing.assert_array_equal(pixel_index(wavelength), pixel_index_of_size(size))
    assert list(np.unique(chip_of(pixel_index_of_size(size)))) == [0, 1, 2]


def test_known_wavelengths():
    """The first pixel of apStar is at 15100.80 Angstrom, the last one at 16999.81."""
    np.testing.assert_allclose(apogee_wavelength()[[0, -1]], [15100.802, 16999.81], atol=0.01)
    # the gaps between the detectors lie at 15.80 to 15.86 and 16.43 to 16.48 micron
    edge = apogee_wavelength()[[3444, 3445, 6229, 6230]]
    assert 15808 < edge[0] < edge[1] < 15860
    assert 16430 < edge[2] < edge[3] < 16480


def test_wavelengths_off_the_grid_are_refused():
    good = apogee_wavelength(7214)
    shifted = 10 ** (np.log10(good) + 0.5 * 6e-6)
    cases = (shifted, good - 300, [np.nan], [-1.0], [np.inf], [0.0], np.append(good, 18000.0))
    for bad in cases:
        with pytest.raises(bc.UserError, match="log-linear grid") as caught:
            pixel_index(np.asarray(bad))
        assert "\n" not in str(caught.value)
    with pytest.raises(bc.UserError, match=r"7000 pixels: use one of \[7214, 7514, 8575\]"):
        apogee_wavelength(7000)
