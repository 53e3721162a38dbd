"""Spectra to and from tables, specutils and other grids; allStar tables and survey paths."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from specutils import Spectrum

import bayescannon as bc
from bayescannon.spectra import (
    CovarianceWarning,
    apogee_wavelength,
    pixel_index_of_size,
    read_all_star,
    survey_paths,
)


def _spectra(size=7514, stars=3, seed=0, **more) -> bc.Spectra:
    rng = np.random.default_rng(seed)
    flux, ivar = rng.normal(1, 0.1, (stars, size)), rng.uniform(50, 200, (stars, size))
    ivar[rng.uniform(size=ivar.shape) < 0.1] = 0.0
    return bc.Spectra(apogee_wavelength(size), flux, ivar, [f"s{i}" for i in range(stars)], **more)


# --- tables and specutils ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.fits", "a.ecsv"])
def test_a_table_goes_through_a_file_and_back(tmp_path, name):
    columns = {"snr": np.array([1.5, 2.5, 3.5]), "source": np.array(list("xyz"))}
    whole, size = _spectra(), 7514 if name == "a.fits" else 500
    cut = (whole.wavelength[:size], whole.flux[:, :size], whole.ivar[:, :size])
    given = bc.Spectra(*cut, whole.star_id, columns=columns)
    given.to_table().write(tmp_path / name)
    back = bc.Spectra.from_table(Table.read(tmp_path / name))
    for what in ("flux", "ivar", "star_id"):
        np.testing.assert_array_equal(getattr(back, what), getattr(given, what))
    np.testing.assert_allclose(back.wavelength, given.wavelength, rtol=1e-14)
    np.testing.assert_array_equal(back.columns["snr"], [1.5, 2.5, 3.5])
    assert list(back.columns["source"]) == list("xyz")
    back.save(tmp_path / "a.zarr")
    assert list(bc.Spectra.open(tmp_path / "a.zarr").columns["source"]) == list("xyz")


def test_tables_of_channels_errors_units_and_masked_values():
    table = Table({"star_id": ["a", "b"], "flux": [[1.0, 2.0], [3.0, 4.0]]})
    table["flux_err"] = MaskedColumn([[0.1, 0.2], [0.0, 0.5]], mask=[[0, 1], [0, 0]])
    table["wavelength"] = np.array([[1.5, 1.6], [1.5, 1.6]]) * u.um
    made = bc.Spectra.from_table(table)
    np.testing.assert_allclose(made.wavelength, [15000, 16000])
    np.testing.assert_allclose(made.ivar, [[100, 0], [0, 4]])
    channels = bc.Spectra(None, np.ones((2, 2)), np.ones((2, 2)), ["a", "b"], channel=["x", "y"])
    assert bc.Spectra.from_table(channels.to_table()).channel == ["x", "y"]
    table["wavelength"][1, 0] = 1.55
    with pytest.raises(bc.UserError, match="same in every row"):
        bc.Spectra.from_table(table)
    for name in ("wavelength", "flux_err", "star_id", "flux"):
        less = table.copy()
        less.remove_column(name)
        with pytest.raises(bc.UserError, match="has no column"):
            bc.Spectra.from_table(less)
    with pytest.raises(bc.UserError, match="one row a star"):
        _spectra(columns={"snr": [1.0]})


def test_specutils_sees_the_same_spectra():
    given = _spectra()
    seen = given.to_specutils()
    np.testing.assert_array_equal(seen.flux.value, given.flux)
    assert seen.mask.sum() == (given.ivar == 0).sum()
    back = bc.Spectra.from_specutils(seen, given.star_id)
    for what in ("flux", "ivar", "star_id"):
        np.testing.assert_array_equal(getattr(back, what), getattr(given, what))
    np.testing.assert_allclose(back.wavelength, given.wavelength, rtol=1e-14)
    micron = Spectrum(
        spectral_axis=np.array([1.6, 1.5]) * u.um,
        flux=np.array([2.0, 1.0]) * u.Jy,
        uncertainty=StdDevUncertainty([0.5, 0.1]),
    )
    one = bc.Spectra.from_specutils(micron, "a")
    np.testing.assert_allclose(one.wavelength, [15000, 16000])
    np.testing.assert_allclose([one.flux[0], one.ivar[0]], [[1, 2], [100, 4]])
    with pytest.raises(bc.UserError, match="no uncertainty"):
        bc.Spectra.from_specutils(Spectrum(flux=[1.0, 2.0] * u.Jy), "a")


def test_without_specutils_the_error_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "specutils", None)
    with pytest.raises(bc.UserError, match="pip install"):
        _spectra().to_specutils()


# --- grids -----------------------------------------------------------------------------------


@settings(max_examples=9, deadline=None, derandomize=True)
@given(st.sampled_from([7214, 7514, 8575]), st.sampled_from([7214, 7514, 8575]))
def test_grids_convert_exactly_where_they_share_pixels(one, two):
    given = _spectra(one)
    made = given.to_grid(two)
    np.testing.assert_array_equal(made.wavelength, apogee_wavelength(two))
    a, b = pixel_index_of_size(one), pixel_index_of_size(two)
    _, ours, theirs = np.intersect1d(b, a, return_indices=True)
    np.testing.assert_array_equal(made.flux[:, ours], given.flux[:, theirs])
    np.testing.assert_array_equal(made.ivar[:, ours], given.ivar[:, theirs])
    assert (made.ivar[:, ~np.isin(b, a)] == 0).all()
    assert (made.star_id == given.star_id).all()


def test_other_grids_are_refused_or_resampled_with_a_warning():
    """Flux is conserved bin by bin; errors are those of the sums; bad pixels spoil their bins."""
    fine = np.arange(15200.0, 15400.0, 0.05)
    line = 1 - 0.5 * np.exp(-(((fine - 15300) / 1.5) ** 2))
    given = bc.Spectra(fine, line, np.full(fine.size, 100.0), "a")
    with pytest.raises(bc.UserError, match="or ask for resampling"):
        given.to_grid(8575)
    with pytest.warns(CovarianceWarning, match="correlated"):
        made = given.to_grid(8575, resample=True)
    good = made.ivar[0] > 0
    wave = made.wavelength
    assert 15200 <= wave[good].min() < 15201
    assert 15399 < wave[good].max() <= 15400
    depth = (1 - made.flux[0][good]) @ np.gradient(wave)[good]
    np.testing.assert_allclose(depth, (1 - line).sum() * 0.05, rtol=1e-3)
    bins = np.gradient(wave)[good] / 0.05  # given pixels in each: variances of means
    np.testing.assert_allclose(np.median(made.ivar[0][good] / (100 * bins)), 1.0, rtol=0.1)
    ivar = np.where(np.abs(fine - 15300) < 0.3, 0.0, 100.0)
    with pytest.warns(CovarianceWarning):
        holed = bc.Spectra(fine, line, ivar, "a").to_grid(8575, resample=True)
    lost = good & (holed.ivar[0] == 0)
    assert 2 <= lost.sum() <= 6
    assert (np.abs(wave[lost] - 15300) < 0.7).all()
    keep = good & ~lost
    np.testing.assert_allclose(holed.flux[0][keep], made.flux[0][keep])
    channels = bc.Spectra(None, [[1.0]], [[1.0]], "a", channel=["x"])
    with pytest.raises(bc.UserError, match="no wavelength"):
        channels.to_grid(8575)


# --- allStar ---------------------------------------------------------------------------------

COLUMNS = {
    "dr10": {"METALS": "mh", "ALPHAFE": "afe"},
    "dr12": {"PARAM_M_H": "mh", "PARAM_ALPHA_M": "afe", "FE_H": "feh", "PARAM_M_H_ERR": "mh_err"},
    "dr13": {"M_H": "mh", "ALPHA_M": "afe", "FE_H": "feh", "M_H_ERR": "mh_err"},
    "dr17": {"M_H": "mh", "ALPHA_M": "afe", "FE_H": "feh", "FE_H_ERR": "feh_err"},
}


@pytest.mark.parametrize("release", COLUMNS)
def test_all_star_written_from_the_data_model_of_each_release(release, tmp_path):
    wide = np.int64 if release == "dr17" else np.int32
    table = Table(
        {
            "APOGEE_ID": ["2M00000001+0000000 ", "2M00000002+0000000 "],
            "LOCATION_ID": np.array([4548, 1], np.int16),
            "FIELD": ["105-45 ", "hip    "],
            "SNR": np.float32([120, 80]),
            "TEFF": np.float32([4700, -9999]),
            "LOGG": np.float32([2.5, -9999.99]),
            "STARFLAG": np.array([0, 1 << 4], wide),
            "ASPCAPFLAG": np.array([1 << 23, -(1 << 31)], wide),
            **{name: np.float32([0.1, -9999]) for name in COLUMNS[release]},
        }
    )
    if release == "dr17":
        table["TELESCOPE"] = ["lco25m", "apo1m "]
    table.write(tmp_path / "allStar.fits")
    read = read_all_star(tmp_path / "allStar.fits")
    assert list(read["star_id"]) == ["2M00000001+0000000", "2M00000002+0000000"]
    np.testing.assert_array_equal(read["teff"], [4700, np.nan])
    np.testing.assert_array_equal(read["logg"], [2.5, np.nan])
    for ours in COLUMNS[release].values():
        np.testing.assert_array_equal(read[ours], np.float32([0.1, np.nan]))
    assert not read["bad_star"].any()
    low = read_all_star(tmp_path / "allStar.fits", ["LOW_SNR"], ["NO_ASPCAP_RESULT"])
    assert list(low["bad_star"]) == [False, True]
    bad = read_all_star(tmp_path / "allStar.fits", [], ["STAR_BAD"])
    assert list(bad["bad_star"]) == [True, False]
    assert survey_paths(read[:1], "dr12")[0].endswith(
        "l25_6d/v603/4548/aspcapStar-r5-v603-2M00000001+0000000.fits"
    )


def test_what_is_no_all_star_table_is_refused(tmp_path):
    Table({"a": [1.0]}).write(tmp_path / "other.fits")
    fits.PrimaryHDU(np.zeros(3)).writeto(tmp_path / "image.fits")
    (tmp_path / "text.fits").write_text("no")
    for name, why in (
        ("other", "no column APOGEE_ID"),
        ("image", "not a FITS table"),
        ("text", "not a FITS table"),
        ("none", "no such file"),
    ):
        with pytest.raises(bc.UserError, match=why) as caught:
            read_all_star(tmp_path / f"{name}.fits")
        assert f"{name}.fits" in str(caught.value)


def test_survey_paths_are_those_that_others_use():
    """As sdss.org and jobovy/apogee give them, for both telescopes' kinds and the 1 m."""
    star = {"star_id": ["2M03174068-7748459"], "field": ["293-37-C"], "telescope": ["lco25m"]}
    root = "dr17/apogee/spectro"
    assert survey_paths(Table(star), "DR17", "apStar") == [
        f"{root}/redux/dr17/stars/lco25m/293-37-C/asStar-dr17-2M03174068-7748459.fits"
    ]
    assert survey_paths(Table(star), "dr17") == [
        f"{root}/aspcap/dr17/synspec_rev1/lco25m/293-37-C/aspcapStar-dr17-2M03174068-7748459.fits"
    ]
    north = Table({"star_id": ["2M1"], "field": ["M13"]})
    assert "stars/apo25m/M13/apStar-dr17-2M1.fits" in survey_paths(north, "dr17", "apStar")[0]
    root = "dr12/apogee/spectro/redux/r5/stars"
    old = Table({"star_id": ["2M1", "2M2"], "location_id": [4548, 1], "field": ["105-45", "hip"]})
    assert survey_paths(old, "dr12", "apStar") == [
        f"{root}/apo25m/4548/apStar-r5-2M1.fits",
        f"{root}/apo1m/hip/apStar-r5-2M2.fits",
    ]
    assert survey_paths(old, "dr12") == [
        f"{root}/l25_6d/v603/4548/aspcapStar-r5-v603-2M1.fits",
        f"{root}/l25_6d/v603/hip/aspcapStar-r5-v603-2M2.fits",
    ]
    by_number = Table({"star_id": ["2M1"], "field": ["4548"]})
    assert survey_paths(by_number, "dr12", "apStar") == survey_paths(old[:1], "dr12", "apStar")
    lost = Table({"star_id": ["2M2"], "location_id": [1]})
    for table, release, kind, why in (
        (old, "dr9", "apStar", "release 'dr9'"),
        (old, "dr12", "apVisit", "kind 'apVisit'"),
        (old[["star_id"]], "dr12", "apStar", "need the columns"),
        (lost, "dr12", "apStar", "1 m telescope by field"),
        (lost, "dr17", "apStar", "files stars by field"),
    ):
        with pytest.raises(bc.UserError, match=why):
            survey_paths(table, release, kind)
