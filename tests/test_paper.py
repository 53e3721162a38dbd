"""The paper's items: windows found in the real model, numbers as in captions, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable, Table
from typer.testing import CliRunner

import bayescannon as bc
from bayescannon.ages import Parsec
from bayescannon.catalog.build import described
from bayescannon.cli import app
from bayescannon.data import apokasc, element_windows, lines, model_path
from bayescannon.marks import PAPER, put_mark
from bayescannon.plots.windows import axis, strongest_wavelengths
from bayescannon.simulate import with_published_ages
from bayescannon.validation import CrossValidation
from studies.paper import ITEMS, Item, Source, make_item, write_item
from studies.paper.ages import clump_track
from studies.paper.coefficients import FIDUCIAL
from studies.paper.crossval import age_item, clipped_age, clump_age, compared
from studies.paper.information import (
    expanded_about,
    information,
    information_table,
    strongest_table,
    window_masks,
)
from studies.paper.tables import ks_test

NAMES = ("teff", "logg", "feh", "afe", "ln_mass")
SD = np.array([20.0, 0.05, 0.02, 0.02, 0.16])
BAD_FITS = 3
NEEDS_A_RUN = ("fig1", "fig2", "fig12", "section4", "table1")


@pytest.fixture(scope="module")
def mass_model() -> bc.Model:
    return bc.Model.load(model_path("apokasc-mass"))


@pytest.fixture(scope="module")
def about_the_fiducial(four_label) -> bc.Model:
    """The real model, expanded about the paper's fiducial labels."""
    return expanded_about(four_label, np.array([FIDUCIAL[name] for name in four_label.labels]))


@pytest.fixture(scope="module")
def simulated_validation() -> CrossValidation:
    """120 real giants with errors of known size; three of them do not fit."""
    rng = np.random.default_rng(11)
    real = apokasc()[:120]
    columns = [np.asarray(real[name], float) for name in NAMES[:4]]
    truth = np.column_stack([*columns, np.log(np.asarray(real["mass"], float))])
    mean = truth + SD * rng.normal(size=truth.shape)
    chi2 = np.full(len(truth), 1.0)
    chi2[:BAD_FITS] = 2.5
    mean[:BAD_FITS] += 50 * SD
    sd = np.broadcast_to(SD, truth.shape)
    zero = np.zeros(truth.shape)
    star = np.zeros(len(truth))
    return CrossValidation(
        NAMES,
        np.asarray(real["star_id"], str),
        np.arange(len(truth)) % 4,
        truth,
        mean,
        sd,
        mean - sd,
        mean + sd,
        zero,
        zero + np.inf,
        chi2,
        star,
        star.astype(int),
        np.zeros((len(truth), 2, 5), np.float32),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, simulated_validation, mass_model) -> Path:
    """What `demo` leaves, by hand: 150 simulated stars, posteriors from truth and known errors."""
    folder = tmp_path_factory.mktemp("paper") / "run"
    folder.mkdir()
    simulated, rng, grid = bc.make_mock(150, seed=3), np.random.default_rng(12), Parsec.default()
    truth = np.column_stack([np.asarray(simulated.truth[name], float) for name in NAMES])
    mean = truth + 0.1 * SD * rng.normal(size=truth.shape)
    columns: dict[str, np.ndarray] = {"star_id": np.asarray(simulated.truth["star_id"], str)}

    def add(name, middle, spread):
        for suffix, sign in (("q025", -2), ("q16", -1), ("q50", 0), ("q84", 1), ("q975", 2)):
            columns[f"{name}_{suffix}"] = middle + sign * spread
        columns[f"{name}_mean"], columns[f"{name}_std"] = middle, np.full(len(middle), spread)

    for i, name in enumerate(NAMES):
        add(name, mean[:, i], 0.1 * SD[i])
    age = np.asarray(clipped_age(NAMES, mean))
    add("mass", np.exp(mean[:, 4]), 0.05)
    add("age", age, 0.01)
    add("age_trained", 0.8 * age, 0.01)
    columns["p_rc"] = (np.asarray(simulated.truth["state"]) == "RC").astype(float)
    columns["chi2_red"] = np.r_[np.full(15, 2.5), np.full(135, 1.0)]
    columns["flags"] = np.zeros(150, np.int32)
    bc.write_catalog(described(columns.items()), folder / "catalog.fits")
    simulated.truth.write(folder / "truth.ecsv")
    simulated.labels.write(folder / "training.ecsv")
    simulated.spectra[:6].save(folder / "spectra.zarr")
    simulated_validation.save(folder / "crossval.npz")
    mass_model.save(folder / "model")
    summary = {"data": "semi-synthetic", "crossval_stride": 7}
    (folder / "summary.json").write_text(json.dumps(summary))
    assert grid.last_age > 12
    return folder


def test_windows_of_the_real_model_are_the_papers(about_the_fiducial, four_label):
    """All six windows of the first four labels, in 2 Angstrom; log g's second only about the
    paper's fiducial labels, where the Brackett line is the second strongest as in the paper."""
    found = strongest_wavelengths(about_the_fiducial, 2, 30.0)
    by_label = dict(zip(about_the_fiducial.labels, found, strict=True))
    np.testing.assert_allclose(by_label["logg"], [15770, 16810], atol=2)
    np.testing.assert_allclose(sorted(by_label["teff"]), [15338, 15720], atol=2)
    assert abs(by_label["feh"][0] - 15221) < 2
    assert abs(by_label["afe"][0] - 16370) < 2
    assert abs(strongest_wavelengths(four_label, 2, 30.0)[1, 1] - 16810) > 2


def test_expansion_about_other_labels_is_the_same_model(four_label, about_the_fiducial, mass_model):
    rng = np.random.default_rng(1)
    for model, other in (
        (four_label, about_the_fiducial),
        (mass_model, expanded_about(mass_model, np.array([4500.0, 2.0, -0.3, 0.1, 0.4]))),
    ):
        spread = rng.normal(size=(5, len(model.labels)))
        labels = model.scaling.pivot + model.scaling.scale * spread
        np.testing.assert_allclose(other.predict(labels), model.predict(labels), atol=1e-10)
        pivot = np.where(other.usable, other.coefficients[:, 0], np.nan)
        np.testing.assert_allclose(pivot, model.predict(other.scaling.pivot)[0], atol=1e-10)


def test_strongest_pixels_are_listed_with_their_species(about_the_fiducial):
    table = strongest_table(about_the_fiducial, lines(), 10, 2.0)
    assert len(table) == 40
    logg = table[table["label"] == "logg"]
    assert list(logg["species"][:2]) == ["Mg I", "H Brackett-11"]
    assert logg["coefficient"][0] == -1.0
    assert logg["coefficient"][1] > 0
    strength = np.abs(np.asarray(logg["coefficient"]))
    assert (np.diff(strength) <= 0).all()
    assert np.abs(table["distance"]).max() < 10
    first = table[(table["label"] == "feh") & (table["rank"] == 1)]
    assert "Mn I" in (first["species"][0], *first["others"][0].split(", "))


def test_mass_information_sits_in_cn_and_co(mass_model):
    masks = window_masks(mass_model, lines(), element_windows())
    table = information_table(mass_model, "ln_mass", 0.01, masks)
    by_name = {str(row["window"]): row for row in table}
    cn_co = by_name["CN or CO"]
    assert cn_co["share_diagonal"] > 2 * cn_co["pixel_share"]
    assert cn_co["share_diagonal"] > 0.45
    # whatever else: no window of an element other than C and N tells as much per pixel as CN
    density = {n: r["share_diagonal"] / r["pixel_share"] for n, r in by_name.items()}
    assert max(density, key=density.get) == "CN"
    total = sum(r["share_divided"] for n, r in by_name.items() if n != "CN or CO")
    assert total == pytest.approx(1.0)
    assert 0 < cn_co["share_alone"] < 1


def test_information_agrees_with_the_covariance_written_out(mass_model):
    rng = np.random.default_rng(2)
    where = np.zeros(len(axis(mass_model)), bool)
    where[rng.choice(len(where), 200, replace=False)] = True
    use = where & mass_model.usable
    f = mass_model.factors[use]
    slope = mass_model.coefficients[use, 5] / mass_model.scaling.scale[4]
    diagonal = np.diag(0.01**2 + mass_model.scatter[use] ** 2)
    full = slope @ np.linalg.solve(diagonal + f @ f.T, slope)
    assert information(mass_model, "ln_mass", 0.01, True, where) == pytest.approx(full, rel=1e-9)
    plain = slope @ np.linalg.solve(diagonal, slope)
    assert information(mass_model, "ln_mass", 0.01, False, where) == pytest.approx(plain, rel=1e-9)
    assert full < plain


def test_cross_validation_beside_the_papers(run, simulated_validation):
    """rms of 117 stars: Monte Carlo error 6.5 %, tolerance four times that; the three bad fits, 50
    sd off, would be seen at once."""
    item = make_item("fig1", Source(run))
    assert item.numbers["dropped"] == BAD_FITS
    assert item.numbers["stars"] == 120 - BAD_FITS
    for name, sd in zip(NAMES, SD, strict=True):
        unit = np.log(10) if name == "ln_mass" else 1.0
        assert item.numbers[f"rms.{name}"] == pytest.approx(sd / unit, rel=0.26)
    paper = [item.numbers[f"paper.{n}"] for n in (*NAMES, "log_age")]
    assert paper == [31.0, 0.07, 0.02, 0.02, 0.07, 0.21]
    # 0.07 dex of mass are about 0.2 dex of age
    assert 0.12 < item.numbers["rms.log_age_clipped"] < 0.3
    assert f"{item.numbers['rms.log_age_clipped']:.3f} dex" in item.caption
    assert "semi-synthetic" in item.caption
    assert "4 folds, every 7th pixel" in item.caption
    back = CrossValidation.load(run / "crossval.npz")
    assert back.labels == simulated_validation.labels
    np.testing.assert_array_equal(back.mean, simulated_validation.mean)


def test_ages_off_the_grid_are_left_out_or_clipped_as_asked():
    labels = np.array([[4700, 2.5, 0.0, 0.0, m] for m in np.log([0.4, 1.2, 9.0])])
    age, clipped = clump_age(NAMES, labels), clipped_age(NAMES, labels)
    assert np.isnan(age).tolist() == [True, False, True]
    assert clipped[0] == pytest.approx(13.8, rel=1e-6)
    assert clipped[1] == pytest.approx(age[1])
    assert clipped[2] < 1


def test_comparison_is_in_the_papers_units():
    truth = np.zeros((4, 2))
    mean = np.array([[1.0, np.log(10)], [-1.0, -np.log(10)], [1.0, np.nan], [-1.0, np.log(10)]])
    table, numbers = compared(("teff", "ln_age"), truth, mean)
    assert list(table["stars"]) == [4, 3]
    assert numbers["rms.ln_age"] == pytest.approx(1.0)  # dex
    assert numbers["paper.ln_age"] == 0.21


def test_age_item_counts_what_is_outside(simulated_validation):
    from dataclasses import replace

    log_age = np.log(np.linspace(1, 16, 120))
    truth = np.column_stack([simulated_validation.truth[:, :4], log_age])
    truth[::10, 4] = np.nan
    mean = np.column_stack([simulated_validation.truth[:, :4], log_age])
    names = (*NAMES[:4], "ln_age")
    found = replace(simulated_validation, labels=names, truth=truth, mean=mean)
    item = age_item(found, stride=9)
    kept = np.linspace(1, 16, 120)[BAD_FITS:]
    assert item.numbers["outside_0_14_gyr"] == pytest.approx((kept > 14).mean())
    assert item.numbers["with_published_age"] == np.isfinite(truth[BAD_FITS:, 4]).sum()
    assert f"{100 * item.numbers['outside_0_14_gyr']:.1f} %" in item.caption
    assert "every\n9th pixel" in item.caption


def test_published_ages_are_the_catalogues():
    real = apokasc()
    labels = Table({"star_id": real["star_id"][:5]})
    added = with_published_ages(labels)
    np.testing.assert_allclose(np.exp(added["ln_age"]), real["age_apokasc2"][:5])
    assert "ln_age" not in labels.colnames


@pytest.mark.parametrize(
    ("feh", "ages"), [(0.3, (10.0, 5.9, 3.3, 1.4)), (-0.7, (5.9, 3.6, 2.0, 0.9))]
)
def test_clump_tracks_have_the_known_ages(feh, ages):
    """Ages of 1.0, 1.2, 1.5, 2.0 Msun read off the PARSEC tables, two digits: 6 %. Above 1.8 Msun
    the mass spreads by up to 8 % within the phase, and medians over points or over time differ."""
    mass, age = clump_track(feh)
    found = np.interp([-1.0, -1.2, -1.5, -2.0], -mass, age)
    np.testing.assert_allclose(found[:3], ages[:3], rtol=0.06)
    assert found[3] == pytest.approx(ages[3], rel=0.1)


def test_clump_of_a_run_against_the_tracks(run):
    """Trained ages of the run are 0.8 times the track's: -0.097 dex."""
    item = make_item("fig12", Source(run))
    table = Table.read(run / "catalog.fits")
    assert item.numbers["stars"] == int((np.asarray(table["p_rc"]) > 0.5).sum())
    assert item.numbers["offset_from_track_dex"] == pytest.approx(np.log10(0.8), abs=0.005)
    assert f"{item.numbers['offset_from_track_dex']:+.2f} dex" in item.caption
    assert len(item.figures["fig12"].axes) == 3


def test_spectrum_of_the_star_most_like_the_papers(run):
    item = make_item("fig2", Source(run))
    table = Table.read(run / "catalog.fits")
    assert item.numbers["star"] in set(map(str, table["star_id"][:6]))
    assert 0.9 < item.numbers["chi2_red"] < 1.3
    assert f"{item.numbers['chi2_red']:.2f}" in item.caption
    assert "scatter alone" in item.caption  # the shipped model keeps no uncertainty
    assert len(item.figures["fig2"].axes) == 16


def test_section_4_compares_with_real_labels_and_truth(run, simulated_validation):
    item = make_item("section4", Source(run))
    table = item.tables["section4_offsets.ecsv"]
    pairs = {(str(a), str(b)) for a, b in table["stars of", "against"]}
    assert pairs == {("catalogue", "what went in"), ("cross-validation", "real labels")}
    away = (simulated_validation.mean - simulated_validation.truth)[:, 1]
    assert item.numbers["mean.cross-validation.real_labels.logg"] == pytest.approx(away.mean())
    assert item.numbers["in_box"] <= 150
    share = item.numbers["outside_region"] / item.numbers["in_box"]
    assert f"{100 * share:.1f} %" in item.caption
    assert 0.01 < share < 0.25


def test_ks_test_tells_and_does_not_tell():
    """Seed 0. Equal samples: p is uniform; a shift of one sd with 60 and 200 stars is certain."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=200), rng.normal(size=60)
    assert ks_test(a, b, 0)[1] > 0.01
    assert ks_test(a, b + 1.0, 0)[1] < 0.005
    assert ks_test(np.zeros(3), np.ones(4), 0)[0] == pytest.approx(1.0)


def test_table_1_has_the_papers_columns_and_natural_logarithms(run, tmp_path):
    item = make_item("table1", Source(run))
    write_item(tmp_path, "table1", item)
    back = Table.read(tmp_path / "table1.mrt", format="ascii.mrt")
    catalog = QTable.read(run / "catalog.fits")
    wanted = np.log(catalog["age_trained_q50"].value)
    np.testing.assert_allclose(back["lnAge"], wanted, atol=6e-4)
    np.testing.assert_allclose(back["lnAgeM"], np.log(catalog["age_q50"].value), atol=6e-4)
    np.testing.assert_allclose(back["lnM"], catalog["ln_mass_mean"].value, atol=6e-4)
    assert item.numbers["chi2_below_2"] == pytest.approx(0.9)
    assert "below 2 for 90 %" in item.caption.replace("\n", " ")


def test_without_a_run_what_ships_is_drawn_and_the_rest_says_how(tmp_path):
    wanted = ("fig4", "fig13", *NEEDS_A_RUN)
    words = ["figures", "paper", "--out", str(tmp_path)]
    words += [word for name in wanted for word in ("--only", name)]
    (tmp_path / "fig1.png").write_bytes(b"of an earlier run")
    put_mark(tmp_path, PAPER)
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    for name in NEEDS_A_RUN:
        text = (tmp_path / f"{name}.md").read_text()
        assert text.startswith("Not made: ")
        assert "bayescannon demo" in text
        assert "not_made" in json.loads((tmp_path / f"{name}.json").read_text())
    assert {p.stem for p in tmp_path.glob("*.png")} == {"fig4", "fig13"}
    numbers = json.loads((tmp_path / "fig4.json").read_text())
    assert numbers["within_2_angstrom"] == 2
    assert numbers["data"] == "real"
    caption = (tmp_path / "fig4.md").read_text()
    for rank in (1, 2):
        assert f"{numbers[f'found.teff.{rank}']:.1f} A" in caption
    labels = json.loads((tmp_path / "fig13.json").read_text())
    assert labels["stars"] == 1639
    assert labels["min.feh"] == pytest.approx(-0.85, abs=0.02)
    assert len(Table.read(tmp_path / "fig4_pixels.ecsv")) == 10


def test_mass_windows_are_labelled_semi_synthetic():
    item = make_item("fig6", Source())
    assert "semi-synthetic" in item.figures["fig6"].get_suptitle()
    assert set(item.figures) == {"fig6", "fig6b"}
    assert item.numbers["data"] == "semi-synthetic"
    assert item.numbers["strongest_5_in_CN_or_CO"] >= 3
    share = 100 * item.numbers["share_diagonal.CN or CO"]
    assert f"{share:.0f} %" in item.caption


def test_unknown_items_and_folders_without_a_run_are_refused(tmp_path):
    runner = CliRunner()
    with pytest.raises(bc.UserError, match="fig99"):
        runner.invoke(app, ["figures", "paper", "--only", "fig99"], catch_exceptions=False)
    with pytest.raises(bc.UserError, match="no finished run"):
        Source(tmp_path)


def test_a_part_that_the_run_lacks_is_named(tmp_path):
    QTable({"star_id": ["a"]}).write(tmp_path / "catalog.fits")
    item = make_item("fig1", Source(tmp_path))
    assert "crossval.npz" in item.caption
    assert "'age_trained_q50'" in make_item("fig12", Source(tmp_path)).caption


def test_a_catalogue_run_names_its_model_and_the_survey_its_labels(tmp_path, run, mass_model):
    """Of a run of `catalog`: the shipped model by its id, or a reason; labels that a user adds."""
    catalog = QTable.read(run / "catalog.fits")
    bc.write_catalog(catalog, tmp_path / "catalog.fits")
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"model": "apokasc-mass", "model id": mass_model.id}))
    source = Source(tmp_path)
    assert source.model.id == mass_model.id
    assert source.semi_synthetic
    assert "survey.ecsv" in make_item("section4", source).caption
    truth = Table.read(run / "truth.ecsv")
    truth["teff"] = np.asarray(truth["teff"]) + 16.0
    truth.write(tmp_path / "survey.ecsv")
    numbers = make_item("section4", source).numbers
    away = catalog["teff_mean"].value - np.asarray(truth["teff"])
    assert numbers["mean.catalogue.survey.teff"] == pytest.approx(away.mean())
    assert numbers["outside_region"] > 0
    manifest.write_text(json.dumps({"model": "apokasc-mass", "model id": "another"}))
    assert "not the one that ships" in make_item("fig6", Source(tmp_path)).caption


def test_items_go_in_the_papers_order():
    figures = [int(name[3:]) for name in ITEMS if name.startswith("fig")]
    assert figures == sorted(figures)
    assert {"fig1", "fig13", "section4", "table1"} <= set(ITEMS)
    assert Item({}, "", {}).tables == {}
