"""What users' tables and lists hold: units, words for "none", ids, kinds of files, odd pixels."""

import gzip
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from conftest import DATA, label_table, recipe_of, run_cli
from test_abundances import all_star

import bayescannon as bc
from bayescannon.ages.tables import read_isochrones
from bayescannon.catalog import write_catalog
from bayescannon.catalog.build import described
from bayescannon.columns import numbers
from bayescannon.errors import DataWarning
from bayescannon.labels import (
    evolutionary_states,
    label_arrays,
    paper_selection,
    read_labels,
    tell_oddities,
)
from bayescannon.model.checks import stated_errors
from bayescannon.spectra import read_all_star, read_spectrum, survey_paths
from bayescannon.spectra.abundances import read_abundances
from bayescannon.spectra.ingest import expand
from bayescannon.star_ids import match, unique_ids

STARS = np.array(["a", "b", "c"])
ASPCAP = DATA / "aspcapStar-r6-l30e.2-2M00452143+1634446.fits.gz"


def read(name: str, stars=STARS, **columns) -> np.ndarray:
    """Label and error, (2, star), of a table of three stars."""
    table = columns.pop("table", Table({"star_id": STARS, **columns}))
    return np.stack(label_arrays(table, (name,), stars))[..., 0]


# --- units -------------------------------------------------------------------------------------

LN10 = np.log(10)
CM = u.cm / u.s**2
UNITS = {
    "kK, error bare": ("teff", {"teff": [4, 5, 6] * u.kK, "teff_err": [0.1] * 3}, [4e3, 1e2]),
    "error %": ("teff", {"teff": [4e3] * 3, "teff_err": [1.0] * 3 * u.percent}, [4e3, 40]),
    "dex(K)": ("teff", {"teff": [3.6] * 3 * u.dex(u.K)}, [10**3.6, np.nan]),
    "dex(yr)": ("ln_age", {"age": [9.5] * 3 * u.dex(u.yr)}, [0.5 * LN10, np.nan]),
    "yr": ("ln_age", {"age": [2e9] * 3 * u.yr, "age_err": [2e8] * 3 * u.yr}, [np.log(2), 0.1]),
    "ln dex(yr)": ("ln_age", {"ln_age": [9.5] * 3 * u.dex(u.yr)}, [0.5 * LN10, np.nan]),
    "ln dex": (
        "ln_mass",
        {"ln_mass": [0.1] * 3 * u.dex, "ln_mass_err": [0.05] * 3 * u.dex},
        [0.1 * LN10, 0.05 * LN10],
    ),
    "dex(Msun)": ("ln_mass", {"mass": [0.1] * 3 * u.dex(u.Msun)}, [0.1 * LN10, np.nan]),
    "kg": ("ln_mass", {"mass": [2 * u.Msun.to(u.kg)] * 3 * u.kg}, [np.log(2), np.nan]),
    "cm/s2": ("logg", {"logg": [100.0] * 3 * CM, "logg_err": [10.0] * 3 * CM}, [2, 0.1 / LN10]),
    "m/s2": ("logg", {"logg": [10.0] * 3 * u.m / u.s**2}, [3, np.nan]),
    "dex(m/s2)": ("logg", {"logg": [0.5] * 3 * u.dex(u.m / u.s**2)}, [2.5, np.nan]),
    "dex": ("logg", {"logg": [2.5] * 3 * u.dex, "logg_err": [0.1] * 3 * u.dex}, [2.5, 0.1]),
}


@pytest.mark.parametrize("case", UNITS)
def test_units_are_converted_and_errors_with_their_label(case):
    name, columns, expected = UNITS[case]
    np.testing.assert_allclose(read(name, **columns)[:, 0], expected, rtol=1e-10)


@pytest.mark.parametrize("text", ["[yr]", "log(yr)", "log10(yr)", "dex(yr)"])
def test_logarithmic_units_are_read_as_cds_and_surveys_write_them(text):
    table = Table({"star_id": STARS, "age": np.full(3, 9.5)})
    table["age"].unit = u.Unit(text, parse_strict="silent")
    np.testing.assert_allclose(read("ln_age", table=table)[0], 0.5 * LN10)


REFUSED_UNITS = {
    "teff": [3.6] * 3 * u.dex,
    "logg": [2.5] * 3 * CM,
    "feh": [0.1] * 3 * u.dex(CM),
    "afe": [1.0] * 3 * u.percent,
    "ln_mass": [1.0] * 3 * u.Msun,
}


@pytest.mark.parametrize("name", REFUSED_UNITS)
def test_units_that_cannot_be_converted_are_refused_by_name(name):
    with pytest.raises(bc.UserError, match=f"column '{name}' is in "):
        read(name, **{name: REFUSED_UNITS[name]})


def test_cuts_selection_and_seismology_read_units_and_frames_as_labels_are_read():
    frame = pd.DataFrame({"STAR_ID": ["x"], "numax": [40.0], "dnu": [4.2], "TEFF": [4800.0]})
    plain = bc.seismic_mass(frame)[0]
    table = Table({"numax": [0.04] * u.mHz, "dnu": [4.2], "teff": [4.8] * u.kK})
    np.testing.assert_allclose(bc.seismic_mass(table)[0], plain)
    table["teff"] = [np.log10(4800.0)] * u.dex(u.K)
    np.testing.assert_allclose(bc.seismic_mass(table)[0], plain)
    star = {"logg": [300.0] * CM, "feh": [0.0] * u.dex, "afe": [0.1], "teff": [4.8] * u.kK}
    assert bc.training_cuts(Table(star), ["teff", "logg"])[0].all()
    assert paper_selection(Table({"star_id": ["x"], **star}))["selected"].all()
    frame = frame.assign(logg=2.5, feh=0.0, afe=-9999.0)
    assert paper_selection(frame)["why_not"].tolist() == ["afe"]
    assert bc.training_cuts(frame, ["afe", "teff"])[1]["removed"].tolist() == [1, 0]


# --- what stands for "none" --------------------------------------------------------------------


@pytest.mark.parametrize("none", [-9999, -999.0, 9999, 99.99, 1e20, -9999.99, -99, 999999, np.inf])
def test_what_surveys_write_for_none_is_missing(none):
    feh = np.random.default_rng(0).normal(0, 0.2, 50)
    feh[7] = none
    values = numbers(Table({"feh": feh}), "feh")
    assert np.flatnonzero(np.isnan(values)).tolist() == [7]
    narrow = numbers(Table({"feh": feh.astype(np.float32)}), "feh")
    assert np.flatnonzero(np.isnan(narrow)).tolist() == [7]


def test_a_value_that_others_are_like_is_a_value():
    snr = np.array([80.0, 99.0, 99.9, 120.0, 150.0, 99.99])
    np.testing.assert_array_equal(numbers(Table({"snr": snr}), "snr"), snr)
    err = np.array([25.0, 25.0, 30.0, 99.0])
    np.testing.assert_array_equal(numbers(Table({"e": err}), "e"), err)


@pytest.mark.parametrize(
    "teff",
    [
        MaskedColumn([4100.0, 1, 4300], mask=[0, 1, 0]),
        MaskedColumn([4100.0, 1, 4300], mask=[0, 1, 0]).filled(),
        MaskedColumn([4100, 1, 4300], mask=[0, 1, 0]).filled(),
        np.array(["4100", " ", "4300"]),
        np.array([b"4100", b"N/A", b"4300"]),
        np.array([4100, None, "4300"], object),
        np.array([[4100.0], [np.nan], [4300]]),
        np.array(["4100", "nan", "4300"], np.dtypes.StringDType()),
        [4100.0, 0.0, 4300.0],
    ],
    ids=str,
)
def test_columns_of_any_kind(teff):
    np.testing.assert_array_equal(read("teff", teff=teff)[0], [4100, np.nan, 4300])


def test_masked_quantities_and_data_frames():
    masked = Masked([4.1, 4.2, 4.3] * u.kK, mask=[False, True, False])
    table = QTable({"star_id": STARS, "teff": masked})
    np.testing.assert_allclose(read("teff", table=table)[0], [4100, np.nan, 4300])
    frame = pd.DataFrame({"teff": pd.array([4100, None, 4300], dtype="Int64")}, index=STARS)
    frame.index.name = "star_id"
    np.testing.assert_array_equal(read("teff", table=frame)[0], [4100, np.nan, 4300])
    with pytest.raises(bc.UserError, match="str is no table"):
        label_arrays("labels.csv", ("teff",), STARS)
    with pytest.raises(bc.UserError, match=r"'teff' must hold one number a star, but has shape"):
        read("teff", teff=np.ones((3, 2)))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf])
def test_an_error_that_is_none_is_refused_with_label_and_star(bad):
    with pytest.raises(bc.UserError, match=r"error of label 'teff' is .* for star 'b'"):
        read("teff", teff=[4100.0, 4200, 4300], teff_err=[25.0, bad, 25])
    only = read("teff", stars=STARS[[0, 2]], teff=[4100.0, 4200, 4300], teff_err=[25.0, bad, 25])
    np.testing.assert_array_equal(only[1], 25.0)


def test_outliers_and_large_errors_are_told_by_star_and_label():
    rng = np.random.default_rng(1)
    labels, errors = rng.normal(size=(40, 2)), np.full((40, 2), 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_oddities(("feh", "afe"), labels, errors, np.arange(40).astype(str))
    labels[11, 0] = 40.0
    with pytest.warns(DataWarning, match="'feh' of star '11' is 40"):
        tell_oddities(("feh", "afe"), labels, errors, np.arange(40).astype(str))
    errors[:, 1] = 3.0
    with pytest.warns(DataWarning) as caught:
        tell_oddities(("feh", "afe"), labels, errors, np.arange(40).astype(str))
    assert "errors of label 'afe'" in str(caught[1].message)


# --- fit to train on ---------------------------------------------------------------------------


def _training(n=60, **change) -> tuple[bc.Spectra, Table]:
    rng = np.random.default_rng(3)
    star_id = [f"s{k}" for k in range(n)]
    flux = 0.9 + 0.01 * rng.normal(size=(n, 5))
    spectra = bc.Spectra(np.arange(5.0) + 15200, flux, np.full((n, 5), 1e4), star_id)
    table = label_table(star_id, rng.normal(size=(n, 5)), names=("teff", "logg", "feh", "afe", "x"))
    table["teff"] = 4700 + 150 * table["teff"]
    for name, make in change.items():
        table[name] = make(table)
    return spectra, table


DEGENERATE = {
    "line": ({"afe": lambda t: 0.1 - 0.3 * t["feh"]}, "is a linear function of"),
    "line, rounded": ({"afe": lambda t: np.round(0.1 - 0.3 * t["feh"], 3)}, "linear function"),
    "twice": ({"x": lambda t: t["logg"]}, "'logg' is a linear function of x"),
    "three": ({"x": lambda t: t["logg"] + t["feh"]}, "'logg' is a linear function of feh, x"),
    "two values": ({"x": lambda t: t["logg"] > 0}, "'x' has 2 values"),
    "constant": ({"x": lambda t: 0 * t["logg"] + 3}, "'x' is the same for every star"),
    "square": ({"x": lambda t: t["logg"] ** 2}, "tied by a polynomial"),
    "sentinels": ({"x": lambda t: 0 * t["logg"] - 9999}, "'x' is NaN for every star"),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_labels_that_depend_on_each_other_are_refused_by_name(case):
    change, message = DEGENERATE[case]
    spectra, table = _training(**change)
    with pytest.raises(bc.UserError, match=message):
        bc.train(spectra, table, recipe_of("teff", "logg", "feh", "afe", "x"))


def test_too_few_stars_and_counts_are_refused():
    spectra, table = _training(30)
    names = ("teff", "logg", "feh", "afe", "x")
    with pytest.raises(bc.UserError, match=r"30 stars .*teff, logg, feh, afe, x.* at least 32"):
        bc.train(spectra, table, recipe_of(*names))
    counts = bc.Spectra(spectra.wavelength, 300 * spectra.flux, spectra.ivar, spectra.star_id)
    with pytest.raises(bc.UserError, match="median flux of the spectra is 27"):
        bc.train(counts, table, recipe_of("teff"))


def test_errors_of_the_table_count_and_the_recipe_stands_in():
    recipe = bc.Recipe.loads(
        'name = "x"\n[labels]\nnames = ["teff", "feh"]\n[training]\nnoisy_labels = true\n'
    )
    for factor in (0.1, 1.0, 10.0):
        columns = {"teff": [4e3, 5e3, 6e3], "feh": [0.0, 0.1, 0.2], "teff_err": [factor * 30.0] * 3}
        _, errors = label_arrays(Table({"star_id": STARS, **columns}), ("teff", "feh"), STARS)
        expected = np.tile([factor * 30.0, 0.015], (3, 1))
        np.testing.assert_allclose(stated_errors(errors, recipe), expected)


def test_the_report_names_where_errors_come_from_and_counts_what_is_missing():
    spectra, table = _training(40)
    table["teff_err"], table["feh"][3] = 25.0, -9999.0
    report = bc.train(spectra, table, recipe_of("teff", "feh")).report
    assert report["missing_labels"] == {"teff": 0, "feh": 1}
    assert report["label_errors"] == {"teff": "table", "feh": "none: taken as exact"}


# --- states ------------------------------------------------------------------------------------


def test_words_for_states_are_known_and_others_are_listed_once():
    words = {"RGB": "rgb", "1": "rgb", "RGB/AGB": "rgb", "2": "rc", "CHeB": "rc", " clump": "rc"}
    words |= {"2.0": "rc", "-9999": "", "": ""}
    table = Table({"star_id": list(words), "evstate": list(words)}, masked=True)
    table["star_id"] = [f"s{k}" for k in range(len(words))]
    assert evolutionary_states(table, table["star_id"]).tolist() == list(words.values())
    numbered = pd.DataFrame({"star_id": STARS, "State": [1.0, 2.0, np.nan]})
    assert evolutionary_states(numbered, STARS).tolist() == ["rgb", "rc", ""]
    odd = Table({"star_id": STARS, "state": [b"rgb", b"dwarf", b"dwarf"]})
    with pytest.warns(DataWarning, match="states 'dwarf' are not known"):
        assert evolutionary_states(odd, STARS).tolist() == ["rgb", "", ""]


# --- ids ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "parquet", "vot", "mrt"])
@pytest.mark.parametrize(
    "ids",
    [
        np.array(["\u03b1 Boo", "HD 1"]),
        np.array(["\u03b1 Boo", "HD 1"], np.dtypes.StringDType()),
        np.array([b"a", b"b"]),
        np.array([12, 345]),
        np.array([" a", "b "], object),
        np.array(["X", "X#2"]),
    ],
    ids=str,
)
def test_ids_of_any_kind_are_written_in_every_format(ids, suffix, tmp_path):
    columns = {"teff_mean": [4e3, 5e3], "teff_std": [1.0, 2.0], "chi2_red": [1.0, 1.0]}
    columns |= {"flags": np.zeros(2, int)}
    table = described([("star_id", ids), *((n, np.array(v)) for n, v in columns.items())])
    write_catalog(table, tmp_path / f"c.{suffix}")
    mrt = {"format": "ascii.mrt"} if suffix == "mrt" else {}
    back = Table.read(tmp_path / f"c.{suffix}", **mrt)
    written = [str(name) for name in back["ID" if suffix == "mrt" else "star_id"]]
    wanted = [name.decode() if isinstance(name, bytes) else str(name).strip() for name in ids]
    assert written == wanted


@pytest.mark.parametrize("kind", ["S3", "U9", object, np.dtypes.StringDType()], ids=str)
def test_labels_find_their_stars_whatever_names_are_held_in(kind):
    table = Table({"star_id": np.array(["12", "7", "X"]).astype(kind), "teff": [1.0, 2, 3]})
    for given in (["7", "X#2"], [b"7", b"X#3"], np.array(["7 ", "X"], np.dtypes.StringDType())):
        assert label_arrays(table, ("teff",), given)[0].ravel().tolist() == [2, 3]
    assert label_arrays(table[:2], ("teff",), np.array([7, 12]))[0].ravel().tolist() == [2, 1]


def test_one_rule_for_repeats():
    assert unique_ids([" X", b"Y", "X ", "X#3", "X"]).tolist() == ["X", "Y", "X#2", "X#3", "X#4"]
    assert match(["X", "Y", "X#2"], ["X#2", "X#9", "Y", "Z#2", "Z"]).tolist() == [2, 0, 1, -1, -1]
    # a number after # may be part of a name: M67#12 says nothing of M67#13
    assert match(["M67#12"], ["M67#13", "M67"]).tolist() == [-1, -1]
    with pytest.raises(bc.UserError, match="row 2 has no star_id"):
        unique_ids(["a", " "])


def test_repeats_of_a_table_are_found_by_labels_paths_and_selection(tmp_path, monkeypatch):
    def ids(table):
        names = np.array(table["APOGEE_ID"])
        names[[3, 5]] = names[2]
        return names

    path = all_star(tmp_path / "a.fits", stars=8, APOGEE_ID=ids, FIELD=lambda t: ["M13"] * len(t))
    stars, survey = read_abundances(path), read_all_star(path)
    assert list(survey["star_id"]) == list(stars.star_id)
    star = stars.star_id[2]
    labels = label_arrays(survey, ("teff",), stars.star_id)[0][:, 0]
    np.testing.assert_allclose(labels, 1000 * stars.flux[:, 0])
    assert survey_paths(survey[[2]], "dr17") == survey_paths(survey[[3]], "dr17")
    few = Table({"star_id": [star, f"{star}#2", f"{star}#9"]})
    for name in ("teff", "logg", "feh", "afe"):
        few[f"{name}_q50"] = np.asarray(survey[name][[2, 3, 2]], float)
    few.write(tmp_path / "c.fits")
    out = tmp_path / "s.ecsv"
    words = ("select", tmp_path / "c.fits", "--all-star", path, "--out", out)
    assert run_cli(monkeypatch, *words) == 0
    why = Table.read(out)["why_not"].filled("")
    assert not any("carbon_nitrogen" in str(reason) for reason in why)


# --- files -------------------------------------------------------------------------------------

CSV = "star_id,teff,feh\n007,4100,0.1\nb,4200,\n"
FILES = {
    "a.csv": CSV.encode(),
    "excel.csv": CSV.replace("\n", "\r\n").encode("utf-8-sig"),
    "utf16.csv": CSV.encode("utf-16"),
    "semicolon.csv": CSV.replace(",", ";").encode(),
    "a.tsv": CSV.replace(",", "\t").encode(),
    "a.csv.gz": gzip.compress(CSV.encode()),
    "quoted.csv": b'\xef\xbb\xbf"star_id","teff","feh"\n"007","4100","0.1"\n"b","4200",""\n',
    "spaces.csv": b"STAR_ID , Teff, FEH\n007, 4100, 0.1\nb, 4200, \n",
    "comments.csv": b"# mine\n" + CSV.encode(),
    "columns.txt": b"star_id teff feh\n007 4100 0.1\nb 4200 nan\n",
}


@pytest.mark.parametrize("name", FILES)
def test_text_tables_as_spreadsheets_and_editors_write_them(name, tmp_path):
    (tmp_path / name).write_bytes(FILES[name])
    values, _ = label_arrays(read_labels(tmp_path / name), ("teff", "feh"), ["007", "b"])
    np.testing.assert_array_equal(values, [[4100, 0.1], [4200, np.nan]])


def test_a_table_with_a_byte_order_mark_or_in_a_later_hdu(tmp_path):
    table = Table({"star_id": ["007", "b"], "teff": [4100.0, 4200.0] * u.K})
    table.write(tmp_path / "plain.ecsv")
    text = (tmp_path / "plain.ecsv").read_text(encoding="utf-8")
    (tmp_path / "bom.ecsv").write_text(text, encoding="utf-8-sig")
    other = fits.table_to_hdu(Table({"x": [1]}))
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones(3)), other, fits.table_to_hdu(table)]
    fits.HDUList(hdus).writeto(tmp_path / "third.fits")
    for name in ("bom.ecsv", "third.fits"):
        values, _ = label_arrays(read_labels(tmp_path / name), ("teff",), ["b", "007"])
        assert values.ravel().tolist() == [4200, 4100]


BAD_FILES = {
    "empty.csv": (b"", "it is empty"),
    "latin.csv": b"star_id,teff\n\xe9,1\n",
    "twice.csv": b"star_id,teff,teff\na,1,2\n",
    "book.xlsx": (b"PK\x03\x04rest", "save it as CSV"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_cannot_be_read_are_one_line(name, tmp_path):
    given = BAD_FILES[name]
    raw, why = given if isinstance(given, tuple) else (given, "")
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(
        bc.UserError, match=f"{name}: not a table that can be read.*{why}"
    ) as caught:
        read_labels(tmp_path / name)
    assert "\n" not in str(caught.value)


def _lower(table: Table) -> Table:
    return Table({name.lower(): table[name] for name in table.colnames})


def test_all_star_tables_of_other_case_kind_and_hdu(tmp_path):
    expected = read_abundances(all_star(tmp_path / "a.fits", stars=6))
    whole = Table.read(tmp_path / "a.fits")
    _lower(whole).write(tmp_path / "lower.fits")
    _lower(whole).write(tmp_path / "lower.csv")
    whole.write(tmp_path / "a.ecsv")
    hdus = [fits.PrimaryHDU(), fits.table_to_hdu(Table({"x": [1]})), fits.table_to_hdu(whole)]
    fits.HDUList(hdus).writeto(tmp_path / "second.fits")
    for name in ("lower.fits", "lower.csv", "a.ecsv", "second.fits"):
        found = read_abundances(tmp_path / name)
        np.testing.assert_allclose(found.flux, expected.flux)
        assert list(read_all_star(tmp_path / name)["star_id"]) == list(expected.star_id)


def test_all_star_tables_of_no_rows_and_of_odd_flags(tmp_path, monkeypatch, capsys):
    all_star(tmp_path / "none.fits", stars=0)
    assert len(read_abundances(tmp_path / "none.fits")) == 0
    assert len(read_all_star(tmp_path / "none.fits")) == 0
    words = ("catalog", "--table", tmp_path / "none.fits", "--out", tmp_path / "c.fits")
    assert run_cli(monkeypatch, *words) == 2
    assert "no star to infer" in capsys.readouterr().err
    flags = np.array([0.0, 16, np.nan, 0, 0, 0])  # LOW_SNR
    floats = all_star(tmp_path / "float.fits", stars=6, STARFLAG=lambda t: flags)
    assert read_abundances(floats).bad_star.tolist() == [False, True, *[False] * 4]
    masked = MaskedColumn(np.full(6, 16), mask=[0, 1, 1, 1, 1, 1])
    path = all_star(tmp_path / "masked.fits", stars=6, STARFLAG=lambda t: masked)
    assert read_all_star(path, ["LOW_SNR"])["bad_star"].tolist() == [True, *[False] * 5]
    said = all_star(tmp_path / "words.fits", stars=6, STARFLAG=lambda t: ["LOW_SNR"] * 6)
    for reader in (read_abundances, read_all_star):
        with pytest.raises(
            bc.UserError, match=r"words\.fits: column 'STARFLAG' must hold integers"
        ):
            reader(said)


def test_lists_of_files_as_editors_write_them(tmp_path):
    names = ["run #2/x.fits", "a#b.fits", "c.FITS", "d.fits.gz", "e f.fits"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    lines = ["\ufeffrun #2/x.fits", "", "a#b.fits  # mine", "# all", "'c.FITS'", '"e f.fits"']
    listed = tmp_path / "stars.TXT"
    listed.write_bytes("\r\n".join(lines).encode())
    assert expand([listed]) == [tmp_path / n for n in names if n != "d.fits.gz"]
    assert set(expand([tmp_path])) == {tmp_path / n for n in names}
    listed.write_text("stars.TXT\n")
    with pytest.raises(bc.UserError, match="names itself"):
        expand([listed])


ISOCHRONE = """# {start}based on PARSEC release v1.2S, theta = 0.5, {eta}
# Zini MH logAge Mini Mass logg label
0.0152 0.0 9.5 1.00 0.99 2.5 3
0.0152 0.0 9.5 1.10 1.09 2.4 4
#isochrone terminated
"""


@pytest.mark.parametrize(("said", "eta"), [("eta=0.2", 0.2), ("eta = 2e-1", 0.2), ("", None)])
def test_isochrones_with_a_byte_order_mark_and_another_theta(said, eta, tmp_path):
    path = tmp_path / "cmd.dat"
    path.write_text(ISOCHRONE.format(start="", eta=said), encoding="utf-8-sig")
    found = read_isochrones(path)
    assert found.eta == eta
    assert found.family == "PARSEC v1.2S,"


# --- pixels ------------------------------------------------------------------------------------


def _changed(path: Path, change) -> Path:
    with fits.open(ASPCAP) as hdus:
        change(hdus)
        hdus.writeto(path, output_verify="ignore")
    return path


@pytest.mark.parametrize("error", [1e8, 1e10, 300.0])
def test_pixels_with_huge_errors_are_not_measured(error, tmp_path):
    def spoil(hdus):
        hdus[2].data = np.array(hdus[2].data)
        hdus[2].data[::2] = error

    plain = bc.ingest_files([ASPCAP]).spectra
    path = _changed(tmp_path / "aspcapStar-x.fits", spoil)
    half = bc.ingest_files([path]).spectra
    measured = (plain.ivar > 0).sum()
    assert 0.4 * measured < (half.ivar > 0).sum() < 0.6 * measured


def test_a_star_of_nothing_but_huge_errors_is_flagged_and_half_a_star_has_half_the_pixels(scenario):
    some = scenario.spectra[:2]
    flux, ivar = some.arrays()
    full = bc.infer(scenario.model, some, method="laplace", draws=20)["sample_stats"]["dof"].values
    ivar[0], ivar[1, ::2] = 1e-16, 1e-20
    bad = bc.Spectra(some.wavelength, flux, ivar, some.star_id)
    stats = bc.infer(scenario.model, bad, method="laplace", draws=20)["sample_stats"]
    assert bc.flags.Flag.NO_GOOD_PIXEL in bc.flags.Flag(int(stats["flags"].values[0]))
    assert stats["dof"].values[1] < 0.6 * full[1]


def test_a_mask_of_floats_is_a_mask(tmp_path):
    def mask(hdus):
        bits = np.zeros(hdus[3].data.shape, np.float32)
        bits[:1000] = 2.0
        hdus[3] = fits.ImageHDU(bits, hdus[3].header)
        hdus[3].header.remove("BUNIT", ignore_missing=True)

    plain, masked = read_spectrum(ASPCAP), read_spectrum(_changed(tmp_path / "x.fits", mask))
    np.testing.assert_array_equal(masked.ivar[1000:], plain.ivar[1000:])
    assert not masked.ivar[:1000].any()


def test_masked_values_and_units_of_spectra():
    flux = np.ma.masked_greater(np.array([[1.0, 9.0, 1.0]]), 5)
    made = bc.Spectra([1.5, 1.6, 1.7] * u.um, flux, np.ones((1, 3)), np.array([b"a"]))
    assert made.ivar.tolist() == [[1, 0, 1]]
    np.testing.assert_allclose(made.wavelength, [15000, 16000, 17000])
    assert made.star_id.tolist() == ["a"]
    with pytest.raises(bc.UserError, match="wavelength is in s"):
        bc.Spectra([1.5, 1.6] * u.s, [[1.0, 1.0]], [[1.0, 1.0]], "a")
    table = bc.Spectra([1.0, 2.0], [[1.0, 1.0]], [[1.0, 1.0]], "\u03b1 Boo").to_table()
    renamed = Table({name.upper(): table[name] for name in table.colnames})
    assert bc.Spectra.from_table(renamed).star_id.tolist() == ["\u03b1 Boo"]
