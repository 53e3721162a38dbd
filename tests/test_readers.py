"""SDSS files: the real ones, and every way in which one can be broken."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from conftest import DATA
from xxhash import xxh3_128_hexdigest

import bayescannon as bc
from bayescannon.spectra import CovarianceWarning, read_spectrum
from bayescannon.spectra.bits import BAD_PIXEL, AspcapFlag, PixelBit, StarFlag, bits, names
from bayescannon.spectra.readers import read_visits

APSTAR = DATA / "apStar-r5-2M00004994+1621552.fits.gz"
ASPCAP = DATA / "aspcapStar-r6-l30e.2-2M00452143+1634446.fits.gz"


@pytest.fixture(scope="module")
def whole():
    return gzip.decompress(APSTAR.read_bytes())


def test_ap_star_is_read_with_its_mask():
    raw = read_spectrum(APSTAR)
    assert raw.star_id == "2M00004994+1621552"
    assert not raw.normalised
    np.testing.assert_array_equal(raw.index, np.arange(8575))
    with fits.open(APSTAR) as hdus:
        flux, error, mask = (np.atleast_2d(hdus[i].data)[0] for i in (1, 2, 3))
    good = ((mask & BAD_PIXEL) == 0) & (error > 0)
    assert 7000 < good.sum() < 8575
    np.testing.assert_array_equal(raw.ivar > 0, good)
    np.testing.assert_allclose(raw.flux[good], flux[good])
    np.testing.assert_allclose(raw.ivar[good], error[good].astype(float) ** -2.0)
    assert (raw.flux[~good] == 0).all()
    everything = read_spectrum(APSTAR, bad_pixel=0)
    assert (everything.ivar > 0).sum() > good.sum()


def test_bad_bits_are_the_ones_that_are_named():
    assert BAD_PIXEL == 0b1000011111111
    assert PixelBit.SIG_SKYLINE == 4096


def test_masks_are_decoded_by_name():
    assert names(PixelBit, 0) == []
    assert names(PixelBit, (1 << 12) | 2 | (1 << 15)) == ["CRPIX", "SIG_SKYLINE", "BIT_15"]
    assert names(StarFlag, (1 << 9) | (1 << 25)) == ["PERSIST_HIGH", "MTPFLUX_LT_50"]
    assert names(AspcapFlag, (1 << 23) | (1 << 40)) == ["STAR_BAD", "PROBLEM_TARGET"]
    assert names(AspcapFlag, -(1 << 31)) == ["NO_ASPCAP_RESULT"]  # signed 32 bits before DR17
    assert AspcapFlag["TEFF_WARN"] == 1
    assert bits(StarFlag, ["LOW_SNR", "RV_FAIL"]) == 16 + (1 << 22)
    assert bits(StarFlag, []) == 0
    with pytest.raises(bc.UserError, match=r"'pixels\.bad_bits' names 'SKY', but"):
        bits(PixelBit, ["SKY"], "pixels.bad_bits")


def _from_the_data_model(release: str, rows: int, compress: bool, folder: Path) -> tuple:
    """Write an apStar or asStar file as a release's data model says; no real one is at hand.

    DR10 to DR15: float32, int16 mask, one row for one visit, else two combined rows and the
    visits. DR16 and DR17: float64, int64 mask. Names: apStar-s3, -r5, -r6, -r8, -r12, -dr17.
    """
    rng = np.random.default_rng(rows)
    new = release in ("r12", "dr17")
    shape = (8575,) if rows == 1 else (rows, 8575)
    flux = rng.uniform(90, 110, shape).astype(float if new else np.float32)
    mask = (rng.uniform(size=shape) < 0.1).astype(np.int64 if new else np.int16) << 3
    hdus = [fits.PrimaryHDU()]
    hdus[0].header["OBJID"] = "2M12345678+1234567"
    hdus[0].header["STARFLAG"], hdus[0].header["SNR"] = 512, 101.25
    for data in (flux, flux / 100, mask, flux, flux, flux, flux):
        image = fits.ImageHDU(data)
        image.header["CRVAL1"], image.header["CDELT1"], image.header["CRPIX1"] = 4.179, 6e-6, 1
        hdus.append(image)
    hdus.append(fits.ImageHDU(np.zeros(27)))
    path = folder / f"apStar-{release}-2M12345678+1234567.fits{'.gz' * compress}"
    for k in range(1, rows - 1):
        hdus[0].header[f"SNRVIS{k}"] = 10.0 * k
    fits.HDUList(hdus).writeto(path)
    return path, np.atleast_2d(flux), np.atleast_2d(mask)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("rows", [1, 4, 7])
@pytest.mark.parametrize("release", ["s3", "r5", "r6", "r8", "r12", "dr17"])
def test_ap_star_written_from_the_data_model_of_each_release(release, rows, compress, tmp_path):
    path, flux, mask = _from_the_data_model(release, rows, compress, tmp_path)
    visits = read_visits(path)
    assert len(visits) == max(rows - 2, 1)
    if rows > 1:
        np.testing.assert_array_equal(visits[-1].flux, np.where(mask[-1] == 0, flux[-1], 0.0))
        assert [visit.snr for visit in visits] == [10.0 * k for k in range(1, rows - 1)]
    raw, flux, mask = read_spectrum(path), flux[0], mask[0]
    np.testing.assert_array_equal(raw.ivar > 0, mask == 0)
    np.testing.assert_array_equal(raw.flux, np.where(mask == 0, flux, 0.0))
    np.testing.assert_allclose(raw.ivar[mask == 0], (flux[mask == 0] / 100.0) ** -2.0, rtol=1e-6)
    assert (raw.star_id, raw.star_flags, raw.snr) == ("2M12345678+1234567", 512, 101.25)
    assert raw.checksum == xxh3_128_hexdigest(path.read_bytes())


@pytest.mark.parametrize("header", ["OBJ", None])
@pytest.mark.parametrize("release", ["v304", "r8-l31c.2", "r12", "dr17"])
def test_aspcap_star_written_from_the_data_model(release, header, tmp_path):
    path = tmp_path / f"aspcapStar-{release}-2M12345678+1234567.fits"
    flux = np.full(8575, 0.97, np.float32)
    hdus = [fits.PrimaryHDU(), *(_image(8575) for _ in range(3))]
    for hdu, data in zip(hdus[1:], (flux, flux / 100, flux), strict=True):
        hdu.data = data
    if header:
        hdus[0].header[header] = "2M12345678+1234567"
    fits.HDUList(hdus).writeto(path)
    raw = read_spectrum(path)
    assert raw.normalised
    assert raw.star_id == "2M12345678+1234567"
    assert np.isnan(raw.snr)
    assert (raw.ivar > 0).all()


def test_a_mask_that_is_no_mask_is_not_taken_for_a_model(tmp_path):
    path = tmp_path / "apStar-x.fits"
    fits.HDUList(
        [fits.PrimaryHDU(), *(_image(8575, BUNIT="Pixel bitmask") for _ in range(3))]
    ).writeto(path)
    _refused(path, "not of integers")


def test_the_first_pixel_may_not_be_the_reference(tmp_path):
    path = tmp_path / "apStar-x.fits"
    fits.HDUList([fits.PrimaryHDU(), *(_image(8000, CRPIX1=-99) for _ in range(3))]).writeto(path)
    np.testing.assert_array_equal(read_spectrum(path).index, np.arange(100, 8100))


def test_a_file_on_another_grid_is_resampled_when_asked(tmp_path):
    path = tmp_path / "apStar-x.fits"
    hdus = [fits.PrimaryHDU(), *(_image(8000, CRVAL1=4.18, CDELT1=5.5e-6) for _ in range(3))]
    fits.HDUList(hdus).writeto(path)
    _refused(path, "or ask for resampling")
    with pytest.warns(CovarianceWarning, match="correlated"):
        raw = read_spectrum(path, resample=True)
    good = raw.ivar > 0
    assert 7000 < good.sum() < 7400  # 8000 of the given pixels are 7333 of the grid's
    np.testing.assert_allclose(raw.flux[good], 1.0)


def test_aspcap_star_is_normalised_already():
    raw = read_spectrum(ASPCAP)
    assert raw.star_id == "2M00452143+1634446"
    assert raw.normalised
    good = raw.ivar > 0
    assert good.sum() > 7000
    assert 0.9 < np.median(raw.flux[good]) < 1.1


def test_a_file_of_one_row_and_an_uncompressed_one(whole, tmp_path):
    path = tmp_path / "apStar-a.fits"
    path.write_bytes(whole)
    raw = read_spectrum(path)
    np.testing.assert_array_equal(raw.flux, read_spectrum(APSTAR).flux)
    with fits.open(path) as hdus:
        for hdu in (1, 2, 3):
            hdus[hdu].data = np.atleast_2d(hdus[hdu].data)[0]
        hdus[0].header["OBJID"] = " spaced "
        hdus.writeto(tmp_path / "flat.fits", output_verify="ignore")
    flat = read_spectrum(tmp_path / "flat.fits")
    assert flat.star_id == "spaced"
    np.testing.assert_array_equal(flat.ivar, raw.ivar)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_file_is_refused(whole, tmp_path, share, compressed):
    """Cut inside the header, the flux, the errors and the mask; never read as a shorter star."""
    path = tmp_path / ("apStar-cut.fits.gz" if compressed else "apStar-cut.fits")
    if compressed:
        all_bytes = APSTAR.read_bytes()
        path.write_bytes(all_bytes[: int(share * len(all_bytes))])
    else:
        with fits.open(APSTAR) as hdus:
            last = hdus.info(output=False)[3]
            end = hdus[3].fileinfo()["datLoc"] + hdus[3].size
        assert last[0] == 3
        path.write_bytes(whole[: int(share * end)])
    _refused(path)


def test_a_file_cut_after_what_is_needed_is_still_whole_enough_or_refused(whole, tmp_path):
    """One byte short of the mask's end is short."""
    with fits.open(APSTAR) as hdus:
        end = hdus[3].fileinfo()["datLoc"] + hdus[3].size
    path = tmp_path / "apStar-cut.fits"
    path.write_bytes(whole[: end - 1])
    _refused(path)


def _refused(path, message=None):
    with pytest.raises(bc.UserError, match=message) as caught:
        read_spectrum(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def _image(shape, **cards):
    hdu = fits.ImageHDU(np.ones(shape, np.float32))
    for key, value in {"CRVAL1": 4.179, "CDELT1": 6e-6, **cards}.items():
        hdu.header[key] = value
    return hdu


BROKEN = {
    "one HDU": ([], "has 1 HDUs"),
    "no images": ([fits.ImageHDU()] * 3, "image of numbers"),
    "a table": ([fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])])] * 3, None),
    "cube": ([_image((2, 2, 8575))] * 3, "image of numbers"),
    "lengths": ([_image(8575), _image(8574), _image(8575)], "different numbers of pixels"),
    "other grid": ([_image(8575, CRVAL1=4.18)] * 3, "not on APOGEE's log-linear grid"),
    "linear axis": ([_image(8575, CRVAL1=15100.0, CDELT1=0.2)] * 3, "grid"),
    "text axis": ([_image(8575, CRVAL1="none")] * 3, None),
    "too long": ([_image(9000)] * 3, "grid"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_files_of_another_kind_are_refused(tmp_path, case):
    hdus, message = BROKEN[case]
    path = tmp_path / "apStar-x.fits"
    fits.HDUList([fits.PrimaryHDU(), *(hdu.copy() for hdu in hdus)]).writeto(path)
    _refused(path, message)


def test_no_wavelength_missing_file_text_and_garbage(tmp_path):
    path = tmp_path / "apStar-x.fits"
    assert re.search("no such file", _refused(path))
    path.write_text("teff logg\n4700 2.5\n")
    _refused(path)
    path.write_bytes(bytes(range(256)) * 64)
    _refused(path)
    path.write_bytes(gzip.compress(b"not a FITS file"))
    _refused(path)
    _refused(tmp_path)
    images = [fits.ImageHDU(np.ones(8575, np.float32)) for _ in range(3)]
    path.unlink()
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    _refused(path, "CRVAL1")


def test_pixels_without_a_usable_error_are_not_measured(tmp_path):
    path = tmp_path / "apStar-x.fits"
    flux, error, mask = (_image(8575) for _ in range(3))
    mask.data = np.zeros(8575, np.int16)
    flux.data[:3] = np.nan, np.inf, 5.0
    error.data[3:6] = 0.0, -1.0, np.nan
    mask.data[6:8] = PixelBit.BADPIX, PixelBit.SIG_TELLURIC
    fits.HDUList([fits.PrimaryHDU(), flux, error, mask]).writeto(path)
    raw = read_spectrum(path)
    assert raw.star_id == "apStar-x"
    np.testing.assert_array_equal(np.flatnonzero(raw.ivar == 0), [0, 1, 3, 4, 5, 6])
    assert np.isfinite(raw.flux).all()
    assert raw.flux[2] == 5.0


def test_flux_after_another_scale_is_not_made_up(tmp_path):
    """Errors so small or so large that 1 / error^2 is not finite are no measurement."""
    path = tmp_path / "apStar-x.fits"
    flux, error, mask = (_image(8575) for _ in range(3))
    mask.data = np.zeros(8575, np.int16)
    error.data = np.full(8575, 1e-3, np.float64)
    error.data[:2] = 1e-200, 1e200
    fits.HDUList([fits.PrimaryHDU(), flux, error, mask]).writeto(path)
    raw = read_spectrum(path)
    assert np.isfinite(raw.ivar).all()
    assert (raw.ivar[:2] == 0).all()


# --- bad and odd input --------------------------------------------------------------------------


def _spoilt(tmp_path, change):
    """A file of DR17's data model, of two combined rows and two visits, changed by hand."""
    path, flux, _ = _from_the_data_model("dr17", 4, False, tmp_path)
    with fits.open(path, mode="update") as hdus:
        change(hdus)
    return path, flux[0]


def _every_error_huge(hdus):
    hdus[2].data[:] = 1e10


def _every_flux_none(hdus):
    hdus[1].data[:] = np.nan


def _every_bit(hdus):
    hdus[3].data[:] = -1


@pytest.mark.parametrize("change", [_every_error_huge, _every_flux_none, _every_bit])
def test_a_spectrum_of_which_nothing_can_be_used_is_a_flagged_star(change, tmp_path, four_label):
    path, _ = _spoilt(tmp_path, change)
    good = DATA / "apStar-r5-2M00004994+1621552.fits.gz"
    stars = bc.ingest_files([path, good], four_label.recipe.pixels).spectra
    assert not (stars.ivar[0] > 0).any()
    alone = bc.ingest_files([good], four_label.recipe.pixels).spectra
    np.testing.assert_allclose(stars.flux[1], alone.flux[0], rtol=1e-6)
    post = bc.infer(four_label, stars, "laplace", draws=10)
    assert post["sample_stats"]["flags"].values[0] & bc.flags.Flag.NO_GOOD_PIXEL


def _no_axis(hdus):
    for hdu in hdus[1:4]:
        del hdu.header["CRVAL1"]


def _other_order(hdus):
    hdus[1], hdus[3] = hdus[3].copy(), hdus[1].copy()


@pytest.mark.parametrize(
    ("change", "words"), [(_no_axis, "CRVAL1"), (_other_order, "HDU 1 holds integers")]
)
def test_missing_keywords_and_another_order_are_one_line(change, words, tmp_path):
    path, _ = _spoilt(tmp_path, change)
    _refused(path, words)


def test_names_with_spaces_and_unicode_home_and_compressed_twice(tmp_path, monkeypatch, whole):
    folder = tmp_path / "my \u03b1 spectra"
    folder.mkdir()
    stored = gzip.compress(gzip.compress(whole))
    (folder / "ap Star.fits.gz").write_bytes(stored)
    monkeypatch.setenv("HOME", str(tmp_path))
    raw = read_spectrum("~/my \u03b1 spectra/ap Star.fits.gz")
    assert raw.checksum == xxh3_128_hexdigest(stored)
    folder.chmod(0o500)  # reading needs no permission to write
    try:
        assert read_spectrum(folder / "ap Star.fits.gz").star_id == raw.star_id
    finally:
        folder.chmod(0o700)
