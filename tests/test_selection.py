"""The paper's selection: in, or out and why."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from typer.testing import CliRunner

import bayescannon as bc
from bayescannon.cli.app import app
from bayescannon.data import apokasc
from bayescannon.labels import CarbonNitrogenRegion, carbon_and_nitrogen, paper_selection


@pytest.fixture(scope="module")
def giants() -> Table:
    return apokasc()


@pytest.fixture(scope="module")
def region(giants) -> CarbonNitrogenRegion:
    return CarbonNitrogenRegion.fit(giants)


def test_the_sum_of_carbon_and_nitrogen_is_of_numbers_of_atoms():
    """The Sun is 0, 0; ten times both is 1; nitrogen alone counts for its share, a fifth."""
    c_n, both = carbon_and_nitrogen(np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(c_n, [0.0, 0.0, -1.0], atol=1e-12)
    share = 1 / (1 + 10 ** (8.39 - 7.78))
    np.testing.assert_allclose(both, [0.0, 1.0, np.log10(1 + 9 * share)], atol=1e-12)


def test_the_region_holds_its_share_at_every_metallicity(giants, region):
    """0.95 of all by making; in each third of [Fe/H] within 3.3 binomial errors (1502 stars)."""
    known = giants[np.isfinite(giants["c_m"]) & np.isfinite(giants["n_m"])]
    held = region.holds(known)
    assert held.mean() == pytest.approx(0.95, abs=1 / len(known))
    third = np.argsort(np.argsort(np.asarray(known["feh"]))) * 3 // len(known)
    for k in range(3):
        error = np.sqrt(0.95 * 0.05 / (third == k).sum())
        assert held[third == k].mean() == pytest.approx(0.95, abs=3.3 * error)


def test_density_given_metallicity_integrates_to_one(region):
    c_n, both = np.meshgrid(np.linspace(-2, 1.5, 300), np.linspace(-1.5, 1.5, 300), indexing="ij")
    for feh in (-0.5, 0.1):
        points = np.column_stack([np.full(c_n.size, feh), c_n.ravel(), both.ravel()])
        cell = (3.5 / 299) * (3.0 / 299) / np.prod(region.spread[1:])
        assert np.exp(region.log_density(points)).sum() * cell == pytest.approx(1, abs=1e-3)


def test_each_star_is_in_or_out_and_why(giants, region):
    row = {"teff": 4700.0, "logg": 2.5, "feh": 0.0, "afe": 0.03, "c_m": -0.05, "n_m": 0.2}
    changes = [{}, {"teff": 5300.0}, {"logg": np.nan, "feh": 0.4}, {"c_m": 0.7}, {"n_m": np.nan}]
    stars = Table(rows=[{"star_id": f"s{k}", **row, **c} for k, c in enumerate(changes)])
    chosen = paper_selection(stars, region)
    assert chosen["selected"].tolist() == [True, False, False, False, False]
    assert chosen["why_not"][:2].tolist() == ["", "teff"]
    assert chosen["why_not"][2].startswith("logg,feh")
    assert chosen["why_not"][3:].tolist() == ["carbon_nitrogen"] * 2
    catalogue = QTable({"star_id": stars["star_id"]})
    for name in ("teff", "logg", "feh", "afe"):
        catalogue[f"{name}_q50"] = stars[name] * (u.K if name == "teff" else u.dex)
    boxed = paper_selection(catalogue)
    assert boxed["selected"].tolist() == [True, False, False, True, True]
    with pytest.raises(bc.UserError, match="needs a column 'c_m'"):
        paper_selection(catalogue, region)


def test_a_region_of_too_few_stars_is_refused(giants):
    with pytest.raises(bc.UserError, match="40 stars with feh"):
        CarbonNitrogenRegion.fit(giants[np.isfinite(giants["c_m"])][:40])


def test_the_command_says_who_is_in_and_why_not(giants, region, tmp_path):
    """A catalogue in one file, abundances in another; the third star is in no allStar table."""
    known = giants[np.isfinite(giants["c_m"]) & np.isfinite(giants["n_m"])]
    stars = known[region.holds(known)][:3]
    labels = [(4700.0, u.K), (2.5, u.dex), (0.0, u.dex), (0.05, u.dex)]
    catalogue = QTable({"star_id": stars["star_id"]})
    for name, (value, unit) in zip(("teff", "logg", "feh", "afe"), labels, strict=True):
        catalogue[f"{name}_q50"] = np.full(3, value) * unit
    catalogue["feh_q50"] = stars["feh"] * u.dex
    catalogue["teff_q50"][1] = 6000 * u.K
    catalogue.write(tmp_path / "catalog.ecsv")
    rows = stars[:2]
    survey = Table({"APOGEE_ID": rows["star_id"], "C_M": rows["c_m"], "N_M": rows["n_m"]})
    survey.write(tmp_path / "allStar.fits")
    out = tmp_path / "selection.ecsv"
    words = ["select", tmp_path / "catalog.ecsv", "--out", out, "--overwrite"]
    for more, why in (
        ([], ["", "teff", ""]),
        (["--all-star", tmp_path / "allStar.fits"], ["", "teff", "carbon_nitrogen"]),
    ):
        CliRunner().invoke(app, [str(w) for w in [*words, *more]], catch_exceptions=False)
        found = Table.read(out)
        assert [str(w) if w else "" for w in found["why_not"].filled("")] == why
    with pytest.raises(bc.UserError, match="no such file"):
        CliRunner().invoke(app, ["select", str(tmp_path / "none.ecsv")], catch_exceptions=False)
