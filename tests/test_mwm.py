"""SDSS-V: mwmStar, mwmVisit and astraAllStar, all written from the published data model.

No real file of these kinds was at hand (sdss/datamodel, products mwmStar, mwmVisit and
astraAllStarASPCAP; the table names, columns, types and traps are taken from there).
"""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from conftest import DATA, run_cli

import bayescannon as bc
from bayescannon.spectra import read_spectrum
from bayescannon.spectra.abundances import read_abundances
from bayescannon.spectra.readers import read_visits

N = 8575
EXTENSIONS = ("BOSS/APO", "BOSS/LCO", "APOGEE/APO", "APOGEE/LCO")
SDSS_ID, OBJ = 85993595, "2M12345678+1234567"
TEXT = ("release", "filetype", "v_astra", "apred", "obj", "telescope", "field")


def _table(rows: list[dict], pixels: int, name: str) -> fits.BinTableHDU:
    """One of the four tables; without rows its arrays have no width, as those of the survey."""
    example = rows[0] if rows else _row(visit="VISIT" in name)
    columns = []
    for key, value in example.items():
        array = [row[key] for row in rows]
        if np.ndim(value):
            form = f"{pixels if rows else 0}E"
            columns.append(fits.Column(key, form, dim=f"({pixels if rows else 0})", array=array))
        elif isinstance(value, str):
            columns.append(fits.Column(key, "A30" if rows else "A1", array=array))
        else:
            form = {"bool": "L", "int": "K"}.get(type(value).__name__, "E")
            columns.append(fits.Column(key, form, array=array))
    hdu = fits.BinTableHDU.from_columns(columns, nrows=len(rows), name=name)
    axis = (4.179, 6e-6) if "APOGEE" in name else (3.5523, 1e-4)
    hdu.header["OBSRVTRY"], hdu.header["INSTRMNT"] = name.split("/")[1], name.split("/")[0]
    hdu.header["CRVAL"], hdu.header["CDELT"], hdu.header["CRPIX"] = *axis, 1
    hdu.header["CTYPE"], hdu.header["NPIXELS"] = "LOG-LINEAR", pixels
    return hdu


def _row(seed: int = 0, visit: bool = False, snr: float = 100.0, **more) -> dict:
    rng = np.random.default_rng(seed)
    flux = rng.uniform(90, 110, N).astype(np.float32)
    ivar, flags = np.full(N, 0.25, np.float32), np.zeros(N, np.float32)
    flags[7], flux[300:320], ivar[300:320] = 1.0, np.nan, 0.0
    row = {"release": "sdss5", "v_astra": "0.6.0", "sdss_id": SDSS_ID, "apred": "1.3", "obj": OBJ}
    row |= {"telescope": "apo25m", "snr": snr, "spectrum_flags": 512, "v_rad": 12.5}
    if visit:
        row |= {"field": "F1", "mjd": 59000 + seed}
    else:
        row["wavelength"] = 10 ** (4.179 + 6e-6 * np.arange(N))
    row |= {"flux": flux, "ivar": ivar, "pixel_flags": flags, "continuum": flux}
    return row | more


def write_from_the_data_model(path, kind: str, apo: list[dict], lco: list[dict]):
    head = fits.PrimaryHDU()
    known = {"V_ASTRA": "0.6.0", "SDSS_ID": SDSS_ID, "APOGEEID": OBJ, "GAIA3_ID": 5853498713190525}
    for key, value in (known | {"RA": 188.5, "DEC": 12.5, "TIC_ID": None}).items():
        head.header[key] = value
    head.header[""] = "Identifiers"
    rows = dict(zip(EXTENSIONS, ([], [], apo, lco), strict=True))
    hdus = [_table(found, N, name) for name, found in rows.items()]
    for hdu in hdus:
        if kind == "mwmVisit" and not len(hdu.data):
            continue
    fits.HDUList([head, *hdus]).writeto(path)
    return path


def test_mwm_star_written_from_the_data_model(tmp_path):
    path = tmp_path / f"mwmStar-0.6.0-{SDSS_ID}.fits"
    one, two = _row(1), _row(2, snr=150.0, telescope="lco25m")
    write_from_the_data_model(path, "mwmStar", [one], [two])
    raw = read_spectrum(path)
    assert (raw.star_id, raw.snr, raw.star_flags) == (OBJ, 150.0, 512)
    assert not raw.normalised
    assert raw.about["telescope"] == "lco25m"  # of two observatories the one with the higher S/N
    assert raw.about["sdss_id"] == SDSS_ID
    assert raw.about["gaia_id"] == 5853498713190525
    assert (raw.about["ra"], raw.about["dec"], raw.about["rv"]) == (188.5, 12.5, 12.5)
    unused = np.isin(np.arange(N), [7, *range(300, 320)])
    np.testing.assert_array_equal(raw.ivar == 0, unused)
    np.testing.assert_array_equal(raw.flux[~unused], two["flux"][~unused])
    np.testing.assert_array_equal(raw.index, np.arange(N))
    with pytest.raises(bc.UserError, match="holds no visits: leave --visits out"):
        read_visits(path)


def test_mwm_visit_written_from_the_data_model(tmp_path):
    """Visits in the star's frame; of DR19, which says less, those with a velocity."""
    path = tmp_path / f"mwmVisit-0.6.0-{SDSS_ID}.fits"
    apo = [_row(k, True, in_stack=k != 1) for k in range(3)]
    lco = [_row(7, True, snr=30.0), _row(8, True, v_rad=np.nan)]
    write_from_the_data_model(path, "mwmVisit", apo, lco)
    visits = read_visits(path)
    assert [visit.snr for visit in visits] == [100.0, 100.0, 30.0]
    assert visits[0].about["field"] == "F1"
    with pytest.raises(bc.UserError, match="holds visits: read it with --visits"):
        read_spectrum(path)
    stars = bc.ingest_files([path], visits=True).spectra
    assert stars.star_id.tolist() == [OBJ, f"{OBJ}#2", f"{OBJ}#3"]
    assert stars.columns["sdss_id"].tolist() == [SDSS_ID] * 3


def test_files_of_sdss_v_without_apogee_spectra_and_damaged_ones_are_one_line(tmp_path):
    path = tmp_path / f"mwmStar-0.6.0-{SDSS_ID}.fits"
    write_from_the_data_model(path, "mwmStar", [], [])
    with pytest.raises(bc.UserError, match=r"mwmStar.*holds no APOGEE spectrum of its star"):
        read_spectrum(path)
    whole = write_from_the_data_model(tmp_path / "a.fits", "mwmStar", [_row()], []).read_bytes()
    for k, cut in enumerate((3000, 9000, len(whole) // 2, len(whole) - 20_000)):
        broken = tmp_path / f"cut-{k}.fits"
        broken.write_bytes(whole[:cut])
        with pytest.raises(bc.UserError, match=f"cut-{k}.fits: "):
            read_spectrum(broken)
    fits.HDUList([fits.PrimaryHDU(), _table([_row()], N, "BOSS/APO")]).writeto(tmp_path / "b.fits")
    with pytest.raises(bc.UserError, match="neither images of an apStar nor tables of APOGEE"):
        read_spectrum(tmp_path / "b.fits")
    nothing = _row(ivar=np.zeros(N, np.float32))
    write_from_the_data_model(tmp_path / "n.fits", "mwmStar", [nothing], [])
    assert (read_spectrum(tmp_path / "n.fits").ivar == 0).all()


def _summary(path):
    """An astraAllStarASPCAP: the table of BOSS, without rows, before that of APOGEE."""
    n = 3
    columns = {"sdss_id": np.arange(5, 8), "sdss4_apogee_id": ["", OBJ, ""], "obj": ["a", "b", "c"]}
    columns |= {
        "gaia_dr3_source_id": np.array([5853498713190525696, -1, 9]),
        "snr": np.full(n, 90.0),
    }
    columns |= {"ra": np.float32([1, 2, 3]), "dec": np.float32([1, 2, 3]), "v_rad": np.full(n, 7.0)}
    for name, value in {"teff": 4800.0, "logg": 2.5, "m_h_atm": 0.1, "alpha_m_atm": 0.05}.items():
        columns |= {name: np.full(n, value), f"e_{name}": np.full(n, 0.01)}
    columns |= {"fe_h": np.full(n, 0.12), "e_fe_h": np.full(n, 0.02)}
    for name in ("c_m_atm", "n_m_atm"):
        columns |= {name: np.full(n, 0.2), f"e_{name}": np.full(n, 0.04)}
    columns |= {"spectrum_flags": np.zeros(n, int), "result_flags": [0, 1 << 6, 0]}
    columns |= {"flag_bad": [False, True, False], "telescope": ["apo25m"] * n, "field": ["F"] * n}
    apogee = fits.table_to_hdu(Table(columns))
    boss = fits.BinTableHDU(apogee.data[:0], header=apogee.header.copy())
    fits.HDUList([fits.PrimaryHDU(), boss, apogee]).writeto(path)
    return path


def test_astra_all_star_written_from_the_data_model(tmp_path):
    path = _summary(tmp_path / "astraAllStarASPCAP-0.6.0.fits.gz")
    stars = bc.read_all_star(path)
    assert stars["star_id"].tolist() == ["a", "b", "c"]
    assert stars["sdss_id"].tolist() == [5, 6, 7]
    assert stars["gaia_id"][0] == 5853498713190525696
    assert stars["bad_star"].tolist() == [False, True, False]
    for name, value in {"teff": 4800.0, "mh": 0.1, "afe": 0.05, "feh": 0.12, "rv": 7.0}.items():
        np.testing.assert_allclose(stars[name], value)
    np.testing.assert_allclose(stars["feh_err"], 0.02)
    abundances = read_abundances(path)
    np.testing.assert_allclose(abundances.flux[0], [4.8, 2.5, 0.1, 0.05, 0.2, 0.2])
    np.testing.assert_allclose(abundances.ivar[0, 4], 0.04**-2)
    assert abundances.bad_star.tolist() == [False, True, False]


def test_the_join_goes_by_sdss_id(tmp_path):
    path = _summary(tmp_path / "astraAllStarASPCAP-0.6.0.fits")
    ones = np.ones((2, 3))
    spectra = bc.Spectra(
        np.arange(3.0) + 15200, ones, ones, ["x", "y"], columns={"sdss_id": [7, 5]}
    )
    labels = bc.training_set(spectra, path, cuts=["snr"]).labels
    assert labels["star_id"].tolist() == ["x", "y"]
    assert labels["sdss_id"].tolist() == [7, 5]


def test_paths_of_every_release():
    """As the survey's own path definitions have them (sdss/tree, sdss_access)."""
    table = Table(
        {"star_id": ["2M0"], "field": ["M13"], "location_id": [4548], "sdss_id": [SDSS_ID]}
    )
    root = "apogee/spectro"
    wanted = {
        ("dr13", "aspcapStar"): f"{root}/redux/r6/stars/l30e/l30e.2/4548/aspcapStar-r6-l30e.2-2M0",
        ("dr14", "apStar"): f"{root}/redux/r8/stars/apo25m/4548/apStar-r8-2M0",
        ("dr16", "aspcapStar"): f"{root}/aspcap/r12/l33/apo25m/M13/aspcapStar-r12-2M0",
        ("dr16", "apStar"): f"{root}/redux/r12/stars/apo25m/M13/apStar-r12-2M0",
        ("dr19", "mwmStar"): f"spectro/astra/0.6.0/spectra/star/35/95/mwmStar-0.6.0-{SDSS_ID}",
        ("dr19", "mwmVisit"): f"spectro/astra/0.6.0/spectra/visit/35/95/mwmVisit-0.6.0-{SDSS_ID}",
    }
    for (release, kind), path in wanted.items():
        assert bc.survey_paths(table, release, kind) == [f"{release}/{path}.fits"]
    with pytest.raises(bc.UserError, match="kind 'apStar' is unknown in dr19: use mwmStar or"):
        bc.survey_paths(table, "dr19", "apStar")
    with pytest.raises(bc.UserError, match="dr19 files stars by SDSS id"):
        bc.survey_paths(table["star_id", "field"], "dr19", "mwmStar")


def test_real_and_sdss_v_files_in_one_store_and_catalogue(four_label, tmp_path, monkeypatch):
    write_from_the_data_model(tmp_path / "mwmStar-a.fits", "mwmStar", [_row()], [])
    real = DATA / "apStar-r5-2M00004994+1621552.fits.gz"
    store = tmp_path / "s.zarr"
    assert run_cli(monkeypatch, "ingest", real, tmp_path / "mwmStar-a.fits", "--out", store) == 0
    out = tmp_path / "c.fits"
    words = ("--model", "apogee-dr12-four-label", "--method", "laplace", "--draws", "50")
    assert run_cli(monkeypatch, "catalog", store, *words, "--out", out) == 0
    table = bc.read_catalog(out)
    assert table["sdss_id"].tolist() == [-1, SDSS_ID]
    np.testing.assert_array_equal(table["ra"].value, [0.208093, 188.5])
    assert table["telescope"].tolist() == ["apo25m", "apo25m"]
