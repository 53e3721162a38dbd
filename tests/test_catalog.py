"""The catalogue: columns, glossary, formats, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy import units as u
from astropy.io import fits
from astropy.io.votable import parse_single_table
from astropy.io.votable.ucd import parse_ucd
from astropy.table import QTable, Table
from conftest import ROOT

import bayescannon as bc
from bayescannon.catalog import column
from bayescannon.catalog.build import described
from bayescannon.catalog.glossary import STATISTICS, page
from bayescannon.catalog.run import read_columns
from bayescannon.trees import array

LABELS = ("teff", "logg", "feh", "afe", "ln_mass")
SEED = 20


@pytest.fixture(scope="module")
def post() -> xr.DataTree:
    """A posterior of three stars, the last one without numbers."""
    rng = np.random.default_rng(SEED)
    centre = np.array([4750.0, 2.5, 0.0, 0.05, 0.2])
    width = np.array([20.0, 0.03, 0.02, 0.01, 0.1])
    draws = centre + width * rng.normal(size=(1, 400, 3, 5))
    draws[:, :, 2] = np.nan
    star = ["a", "b", "c"]
    sampled = ("chain", "draw", "star")
    per_star = dict.fromkeys(
        ("chi2", "chi2_full", "khat", "ess", "rhat", "divergences", "distance", "p_outside"),
        ("star", np.array([10.0, 20.0, np.nan])),
    )
    per_star |= {
        "dof": ("star", np.array([10.0, 10.0, -5.0])),
        "n_modes": ("star", np.array([1, 1, 0])),
        "flags": ("star", np.array([0, 4, 1])),
    }
    coords = {"star": star}
    flat = draws[0]
    cov = np.stack([np.cov(flat[:, i].T) for i in range(3)])
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {n: (sampled, draws[..., i]) for i, n in enumerate(LABELS)}, coords=coords
            ),
            "sample_stats": xr.Dataset(
                per_star | {"log_prior": (sampled, np.zeros((1, 400, 3)))}, coords=coords
            ),
            "point": xr.Dataset(
                {
                    "mean": (("star", "parameter"), flat.mean(axis=0)),
                    "cov": (("star", "parameter", "parameter_2"), cov),
                },
                coords={**coords, "parameter": list(LABELS), "parameter_2": list(LABELS)},
            ),
        }
    )
    tree.attrs = {"model": "made", "seed": 0}
    return tree


CARRY = {
    "gaia_id": np.array([5853498713190525696, -1, 3]),
    "ra": np.array([263.478474, np.nan, 0.1]),
    "dec": np.array([-27.884539, 0.0, 0.1]),
    "field": np.array(["000+02", "", "M13"]),
    "snr": np.array([150.25, np.nan, 30.0]),
}


@pytest.fixture(scope="module")
def table(post) -> QTable:
    return bc.build_catalog(post, bc.infer_ages(post, p_rc=0.5), carry=CARRY)


def test_the_page_of_columns_is_that_of_the_glossary():
    assert (ROOT / "docs" / "columns.md").read_text() == page(), "python scripts/columns_page.py"


def test_every_ucd_is_one_of_the_ivoa(table):
    for name in table.colnames:
        assert parse_ucd(column(name).ucd, check_controlled_vocabulary=True), name


def test_columns_of_the_contract(table):
    wanted = [f"{q}_{s}" for q in (*LABELS, "mass", "age", "age_rgb", "age_rc") for s in STATISTICS]
    wanted += ["p_rc", "p_trunc", "chi2_red", "flags", "rho_teff_logg", "rho_afe_ln_mass"]
    assert set(wanted) <= set(table.colnames)
    assert list(table["star_id"]) == ["a", "b", "c"]
    assert table["mass_q50"].unit == u.Msun
    assert table["age_mean"].unit == u.Gyr
    assert table["teff_std"].unit == u.K


def test_a_table_is_its_readers_own(post, tmp_path):
    """Its columns once were those of the posterior, and read-only after a run of one block."""
    part = tmp_path / "part.parquet"
    pd.DataFrame({"flags": np.arange(3), "teff_q50": np.ones(3)}).to_parquet(part)
    stored = described(read_columns(part))
    stored["flags"][0] = 5
    stored["teff_q50"][0] *= 5
    made = bc.build_catalog(post)
    before = array(post, "sample_stats/distance").copy()
    made["distance_training"] += 1.0
    np.testing.assert_array_equal(array(post, "sample_stats/distance"), before)


def test_numbers_come_from_the_draws(post, table):
    draws = post["posterior"]["ln_mass"].values[0, :, 0]
    np.testing.assert_allclose(table["ln_mass_q16"][0], np.quantile(draws, 0.16))
    np.testing.assert_allclose(table["mass_q50"][0].value, np.median(np.exp(draws)))
    both = np.stack([post["posterior"][k].values[0, :, 0] for k in ("teff", "logg")])
    np.testing.assert_allclose(table["rho_teff_logg"][0], np.corrcoef(both)[0, 1])
    assert table["chi2_red"][1] == 2.0


def test_quantiles_rise_and_ages_of_states_bracket_the_mixture(table):
    for name in ("age", "age_rgb", "age_rc", "teff"):
        ladder = [table[f"{name}_{s}"][:2].value for s in ("q025", "q16", "q50", "q84", "q975")]
        assert (np.diff(np.array(ladder), axis=0) > 0).all()
    low = np.minimum(table["age_rgb_q50"], table["age_rc_q50"])[:2]
    high = np.maximum(table["age_rgb_q50"], table["age_rc_q50"])[:2]
    assert ((table["age_q50"][:2] >= low) & (table["age_q50"][:2] <= high)).all()


def test_a_star_without_a_posterior_is_a_row_of_nan_with_flags(table):
    assert np.isnan(table["mass_q50"][2])
    assert np.isnan(table["age_q50"][2])
    assert np.isnan(table["chi2_red"][2])
    assert np.isnan(table["rho_teff_logg"][2])
    flags = bc.flags.Flag(int(table["flags"][2]))
    assert bc.flags.Flag.NO_GOOD_PIXEL in flags
    assert bc.flags.Flag.NO_AGE in flags


def test_columns_carried_come_after_the_name_in_full_precision(table):
    assert table.colnames[1:6] == list(CARRY)
    assert table["gaia_id"].tolist() == [5853498713190525696, -1, 3]
    assert table["ra"][0] == 263.478474 * u.deg
    assert table["field"].tolist() == ["000+02", "", "M13"]
    assert table["teff_q50"].dtype == np.float32


def test_good_is_the_flag_word_without_warnings(table):
    np.testing.assert_array_equal(table["good"], bc.flags.good(table["flags"]))
    assert table["good"].tolist() == [True, False, False]


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "csv", "parquet", "vot"])
def test_every_format_comes_back_as_it_was_written(table, tmp_path, suffix):
    named = table.copy()
    named["star_id"] = ["X", "X#2", "\u03b1 Boo"]
    path = tmp_path / f"c.{suffix}"
    bc.write_catalog(named, path)
    back = bc.read_catalog(path)
    assert back.colnames == table.colnames
    for name in table.colnames:
        assert back[name].dtype.kind == table[name].dtype.kind, name
        np.testing.assert_array_equal(back[name], named[name], name)
        assert back[name].unit == table[name].unit, name
        assert back[name].info.description == table[name].info.description, name
    assert back.meta["flags"] == table.meta["flags"]
    assert back.meta["post_model"] == "made"
    assert back.meta["data"] == "as given"
    bc.write_catalog(back, path, overwrite=True)


def test_the_pair_of_files_of_the_cds(table, tmp_path):
    named = table.copy()
    named.meta |= {"title": "Ages of three stars", "authors": "A. Nobody"}
    bc.write_catalog(named, tmp_path / "c.cds")
    names = {p.name for p in (tmp_path / "c.cds").iterdir()}
    assert names == {".bayescannon", "ReadMe", "catalog.dat"}
    readme = (tmp_path / "c.cds" / "ReadMe").read_text()
    assert "A. Nobody" in readme
    assert max(map(len, readme.splitlines())) <= 80
    back = bc.read_catalog(tmp_path / "c.cds")
    np.testing.assert_allclose(back["RAdeg"][0], 263.478474 * u.deg)
    np.testing.assert_allclose(back["lnM"][:2], table["ln_mass_mean"][:2], atol=5e-4)
    assert back["Teff"].unit == u.K
    bc.write_catalog(named, tmp_path / "c.cds", overwrite=True)


@pytest.mark.parametrize(
    ("style", "name", "source"),
    [("apogee", "TEFF_ERR", "teff_std"), ("gaia", "age_gyr_lower", "age_q16")],
)
def test_columns_under_other_names(table, tmp_path, style, name, source):
    more = bc.catalog.with_aliases(table, style)
    for suffix in ("fits", "vot", "csv"):
        bc.write_catalog(more, tmp_path / f"c.{suffix}")
        back = bc.read_catalog(tmp_path / f"c.{suffix}")
        np.testing.assert_array_equal(np.float32(back[name].value), table[source].value)
    with pytest.raises(bc.UserError, match="use apogee or gaia"):
        bc.catalog.with_aliases(table, "galah")


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "parquet", "vot"])
def test_round_trip_with_units_and_descriptions(table, tmp_path, suffix):
    path = tmp_path / f"catalog.{suffix}"
    bc.write_catalog(table, path)
    back = QTable.read(path)
    assert back.colnames == table.colnames
    assert back["age_q50"].unit == u.Gyr
    np.testing.assert_allclose(back["age_q50"].value, table["age_q50"].value)
    assert list(back["star_id"]) == ["a", "b", "c"]
    np.testing.assert_array_equal(back["flags"], table["flags"])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if suffix != "fits":
        assert back["age_q50"].info.description == column("age_q50").description
    if suffix in ("ecsv", "parquet"):
        assert back["logg_q50"].unit == u.dex
    assert table["logg_q50"].unit == u.dex  # writing leaves the table as it was


def test_pandas_reads_the_parquet_file(table, tmp_path):
    bc.write_catalog(table, tmp_path / "catalog.parquet")
    frame = pd.read_parquet(tmp_path / "catalog.parquet")
    assert list(frame.columns) == table.colnames
    np.testing.assert_array_equal(frame["age_q50"], table["age_q50"].value)


def test_the_votable_has_ucds(table, tmp_path):
    bc.write_catalog(table, tmp_path / "catalog.vot")
    field = parse_single_table(tmp_path / "catalog.vot").get_field_by_id("teff_q50")
    assert field.ucd == "phys.temperature.effective;stat.median"


def test_the_machine_readable_table_has_the_columns_of_the_paper(table, tmp_path):
    bc.write_catalog(table, tmp_path / "catalog.mrt")
    back = Table.read(tmp_path / "catalog.mrt", format="ascii.mrt")
    labels = ("Teff", "logg", "FeH", "aFe", "lnM", "lnAge")
    named = [name for label in labels for name in (label, f"e_{label}")]
    assert back.colnames == ["ID", "Gaia", "RAdeg", "DEdeg", "SNR", *named, "chi2", "Flags"]
    np.testing.assert_allclose(back["lnM"][:2], table["ln_mass_mean"][:2], atol=5e-4)
    np.testing.assert_allclose(back["lnAge"][:2], np.log(table["age_q50"][:2].value), atol=5e-4)
    assert np.ma.is_masked(back["lnM"][2])
    assert back["Teff"].unit == u.K


def test_fits_cards_describe_every_column(table, tmp_path):
    bc.write_catalog(table, tmp_path / "c.fits")
    header = fits.getheader(tmp_path / "c.fits", 1)
    for i, name in enumerate(table.colnames, 1):
        assert header[f"TTYPE{i}"] == name
        assert header[f"TCOMM{i}"].startswith(column(name).description)
        assert header[f"TUCD{i}"] == column(name).ucd
    assert json.loads(header["BCMETA"])["post_model"] == "made"


def test_an_unknown_suffix_and_other_stars_are_refused(post, table, tmp_path):
    with pytest.raises(bc.UserError, match=r"catalog\.docx: cannot write \.docx"):
        bc.write_catalog(table, tmp_path / "catalog.docx")
    assert not list(tmp_path.iterdir())
    other = bc.infer_ages(post, p_rc=0.5)
    fewer = xr.map_over_datasets(lambda d: d.isel(star=slice(0, 2)) if d.variables else d, other)
    with pytest.raises(bc.UserError, match="ages holds other stars"):
        bc.build_catalog(post, fewer)
