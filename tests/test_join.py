"""The join of spectra, a survey's table and seismic masses, and `train --allstar`."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from conftest import DATA, label_table, run_cli

import bayescannon as bc
from bayescannon.data import apokasc
from bayescannon.star_ids import key_of

ALL_STAR = DATA / "allStar-r12-l33-6rows.fits.gz"
"""Six real rows of DR16, three of them in the APOKASC table that ships."""
IN_BOTH = ["2M19105071+4335044", "2M19155324+4808242", "2M19383260+4857283"]


def spectra_of(names) -> bc.Spectra:
    ones = np.ones((len(names), 3))
    return bc.Spectra([15200.0, 15201.0, 15202.0], ones, ones, names)


@pytest.fixture
def spectra() -> bc.Spectra:
    return spectra_of(bc.read_all_star(ALL_STAR)["star_id"])


def test_every_star_of_both_real_tables_is_found(spectra):
    found = bc.training_set(spectra, ALL_STAR, apokasc(), cuts=["snr", "teff"])
    assert sorted(found.labels["star_id"]) == IN_BOTH
    assert found.spectra.star_id.tolist() == found.labels["star_id"].tolist()
    assert list(found.counts.values()) == [6, 6, 3, 3]
    assert found.cuts["cut"].tolist() == ["snr", "teff"]
    real = apokasc()
    for row in found.labels:
        (known,) = real[np.asarray(real["star_id"]) == row["star_id"]]
        np.testing.assert_allclose(row["mass"], known["mass"], rtol=1e-6)
        sides = known["mass_errp"], known["mass_errm"]
        np.testing.assert_allclose(row["mass_err"], np.mean(np.abs(sides)), rtol=1e-6)
    raw = Table.read(ALL_STAR)
    first = raw[np.char.strip(np.asarray(raw["APOGEE_ID"], str)) == found.labels["star_id"][0]][0]
    assert found.labels["teff"][0] == pytest.approx(first["TEFF"])


def test_names_are_one_star_whatever_case_padding_prefix_and_zeros():
    star = {
        key_of(n) for n in ("2M00004994+1621552", " 2m00004994+1621552 ", "2MASS J00004994+1621552")
    }
    assert star == {"00004994+1621552"}
    assert {key_of(n) for n in ("KIC 006448890", "6448890", "kic6448890")} == {"6448890"}
    assert {key_of(n) for n in ("-9999", "0", "-1", "")} == {""}
    assert key_of("2M1+2#2") == "1+2#2"


@pytest.mark.parametrize("kind", ["csv", "fits", "ecsv", "vot", "parquet", "frame"])
def test_a_users_table_of_any_kind(spectra, tmp_path, kind):
    """Sentinels are missing, bytes and padding do not matter, units are converted."""
    names = [f" {name.lower()}  " for name in IN_BOTH]
    table = Table({"TMASS_ID": names, "M": [1.1, -9999.0, 1.3], "e_M": [0.1, np.nan, 0.1]})
    table["EvState"] = ["RGB", "", "RC"]
    given = table.to_pandas() if kind == "frame" else tmp_path / f"a.{kind}"
    if kind == "fits":
        table["TMASS_ID"] = np.char.encode(names)
    if kind in ("fits", "ecsv", "vot"):
        table["M"].unit = u.Msun
    if kind != "frame":
        table.write(given, format="votable" if kind == "vot" else None)
    labels = bc.training_set(spectra, ALL_STAR, given, cuts=[]).labels
    labels.sort("star_id")
    assert labels["star_id"].tolist() == IN_BOTH
    np.testing.assert_array_equal(labels["mass"], [1.1, np.nan, 1.3])
    np.testing.assert_array_equal(labels["mass_err"], [0.1, np.nan, 0.1])
    assert labels["state"].tolist() == ["RGB", "", "RC"]


def test_kic_numbers_and_frequencies_with_their_corrections():
    survey = Table(
        {"APOGEE_ID": ["a", "b"], "KIC": [11, 12], "TEFF": [4800.0, 4900.0], "SNR": [100.0, 90.0]}
    )
    seismic = Table({"KIC": ["KIC 0012", "13"], "numax": [30.0, 40.0], "Delta_nu": [4.0, 5.0]})
    found = bc.training_set(spectra_of(["A", "B#2"]), survey, seismic, cuts=[])
    assert found.labels["star_id"].tolist() == ["B#2"]
    plain, _ = bc.seismic_mass({"numax": [30.0], "dnu": [4.0], "teff": [4900.0]})
    np.testing.assert_allclose(found.labels["mass"], plain)
    seismic["f_dnu"] = 1 / 1.02
    corrected = bc.training_set(spectra_of(["A", "B"]), survey, seismic, cuts=[]).labels
    np.testing.assert_allclose(corrected["mass"], plain * 1.02**4)


GOOD = {"APOGEE_ID": IN_BOTH, "mass": [1.0, 1.2, 1.4]}
WRONG = {
    "no name": ({"mass": [1.0]}, r"no column that names stars \(APOGEE_ID, SDSS_ID, KIC\)"),
    "no mass": ({"APOGEE_ID": IN_BOTH}, "neither a column 'mass' nor both 'numax' and 'dnu'"),
    "others": (GOOD | {"APOGEE_ID": list("abc")}, r"holds no star of .*allStar.*, by APOGEE id"),
    "twice": (GOOD | {"APOGEE_ID": IN_BOTH[:1] * 3}, r"19105071\+4335044 stands 3 times"),
    "unit": (GOOD | {"mass": [1, 2, 3] * u.K}, "column 'mass' is in K"),
    "words": (GOOD | {"mass": ["x", "y", "z"]}, "column 'mass' must hold one number a star"),
    "vectors": (GOOD | {"mass": np.ones((3, 2))}, r"one number a star, but has shape \(3, 2\)"),
    "two cases": (
        {"APOGEE_ID": IN_BOTH, "MASS": [1.0, 1, 1], "Mass": [1.0, 1, 1]},
        "columns MASS and Mass differ in case only",
    ),
    "no rows": ({"APOGEE_ID": np.zeros(0, str), "mass": np.zeros(0)}, "holds no star"),
    "other ids": ({"KIC": [1, 2, 3], "mass": [1.0, 1, 1]}, "they share no kind of id column"),
}


@pytest.mark.parametrize("case", WRONG)
def test_ten_wrong_tables_are_ten_clear_lines(spectra, tmp_path, case):
    columns, words = WRONG[case]
    path = tmp_path / "seismic.ecsv"
    Table(columns).write(path)
    with pytest.raises(bc.UserError, match=words) as caught:
        bc.training_set(spectra, ALL_STAR, path, cuts=[])
    assert "\n" not in str(caught.value)
    assert "seismic.ecsv" in str(caught.value)


def test_wrong_surveys_and_cuts(spectra, tmp_path):
    with pytest.raises(bc.UserError, match="no such"):
        bc.training_set(spectra, tmp_path / "none.fits")
    with pytest.raises(bc.UserError, match="Table: has no column APOGEE_ID"):
        bc.training_set(spectra, Table({"teff": [1.0]}))
    with pytest.raises(bc.UserError, match="holds no star of the spectra"):
        bc.training_set(spectra_of(["x"]), ALL_STAR)
    with pytest.raises(bc.UserError, match="'snr99' is no training cut"):
        bc.training_set(spectra, ALL_STAR, cuts=["snr99"])
    survey = Table({"APOGEE_ID": IN_BOTH, "SNR": [1.0, 2.0, 3.0]})
    with pytest.raises(bc.UserError, match=r"no star passes.*'snr' \(snr > 80\) removes 3 of 3"):
        bc.training_set(spectra, survey)


def test_train_takes_the_tables_of_a_survey(scenario, tmp_path, monkeypatch, capsys):
    """The model is that of the label table, but for the stars that the cuts remove."""
    scenario.spectra.save(tmp_path / "s.zarr")
    (tmp_path / "r.toml").write_text(scenario.recipe.dumps())
    survey = label_table(
        scenario.spectra.star_id, np.asarray(scenario.labels["teff", "logg", "feh"].to_pandas())
    )
    survey.rename_columns(["star_id", "teff", "logg", "feh"], ["APOGEE_ID", "TEFF", "LOGG", "FE_H"])
    survey["SNR"] = np.where(np.arange(200) < 20, 70.0, 90.0)
    survey["APOGEE_ID"] = np.char.upper(np.asarray(survey["APOGEE_ID"], str))
    survey.write(tmp_path / "allStar.fits")
    words = ["train", "--spectra", tmp_path / "s.zarr", "--recipe", tmp_path / "r.toml"]
    words += ["--out", tmp_path / "m", "--no-certificate", "--allstar", tmp_path / "allStar.fits"]
    assert run_cli(monkeypatch, *words, "--cut", "snr") == 0
    said = capsys.readouterr().out
    assert "200 spectra, 200 in the survey's table, 180 after the cuts" in said
    assert "snr > 80" in said
    assert "removes 20, leaves 180" in said
    assert bc.Model.load(tmp_path / "m").report["stars"] == 180
    assert run_cli(monkeypatch, *words, "--labels", "x.csv") == 2
    assert run_cli(monkeypatch, *words[:-2], "--labels", "x.csv", "--cut", "snr") == 2
