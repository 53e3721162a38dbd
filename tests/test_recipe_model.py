"""Recipes, training from tables, and model folders."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import GAP, NAMES, PIVOT, SCALE, label_table, recipe_of
from hypothesis import given, settings
from hypothesis import strategies as st

import bayescannon as bc
from bayescannon.labels import features
from bayescannon.model import store

TEXT = 'name = "x"\n[labels]\nnames = ["teff", "logg"]\n'

# --- recipes -----------------------------------------------------------------------------------


def test_defaults_are_written_out_and_read_back():
    recipe = bc.Recipe.loads(TEXT)
    assert (recipe.labels.degree, recipe.pixels.grid, recipe.inference.prior) == (
        2,
        7214,
        "population",
    )
    assert bc.Recipe.loads(recipe.dumps()) == recipe
    for line in ("degree = 2", "grid = 7214", "max_chi2 = 0.999"):
        assert line in recipe.dumps()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    name=st.text(max_size=20),
    labels=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True),
    degree=st.integers(1, 3),
    floor=st.floats(0, 1),
)
def test_any_recipe_survives_its_text(name, labels, degree, floor):
    plain = bc.Recipe.loads(TEXT)
    recipe = replace(
        plain,
        name=name,
        labels=replace(plain.labels, names=tuple(labels), degree=degree),
        pixels=replace(plain.pixels, error_floor=floor),
    )
    assert bc.Recipe.loads(recipe.dumps()) == recipe


BAD_RECIPES = {
    "key": (TEXT + "colour = 1\n", "unknown key 'labels.colour'; known: degree, names"),
    "section": (TEXT + "[plots]\n", "unknown key 'plots'"),
    "value for section": ('name = "x"\nlabels = 3\n', "'labels' must be a section"),
    "no name": ('[labels]\nnames = ["a"]\n', "key 'name' is missing"),
    "no labels": ('name = "x"\n', "key 'labels' is missing"),
    "no names": ('name = "x"\n[labels]\ndegree = 2\n', r"\[labels\].*names"),
    "name type": ('name = 3\n[labels]\nnames = ["a"]\n', "'name' is 3"),
    "text degree": (TEXT + 'degree = "2"\n', "'labels.degree' is '2', but must be int"),
    "true degree": (TEXT + "degree = true\n", "'labels.degree' is True"),
    "high degree": (TEXT + "degree = 4\n", "'labels.degree' is 4"),
    "number names": ('name = "x"\n[labels]\nnames = [1]\n', r"'labels.names' is \(1,\)"),
    "empty names": ('name = "x"\n[labels]\nnames = []\n', "give one or more different"),
    "twice": ('name = "x"\n[labels]\nnames = ["a", "a"]\n', "give one or more different"),
    "prior": (TEXT + '[inference]\nprior = "mine"\n', "'inference.prior' is 'mine'"),
    "floor": (TEXT + '[pixels]\nerror_floor = "low"\n', "'pixels.error_floor' is 'low'"),
    "negative floor": (TEXT + "[pixels]\nerror_floor = -0.1\n", "'pixels.error_floor' is -0.1"),
    "nan floor": (TEXT + "[pixels]\nerror_floor = nan\n", "'pixels.error_floor' is nan"),
    "chi2": (TEXT + "[inference]\nmax_chi2 = 0\n", "'inference.max_chi2' is 0"),
    "no TOML": ("name = ", "not a TOML file"),
}


@pytest.mark.parametrize("case", BAD_RECIPES)
def test_bad_recipes_name_the_file_and_the_key(tmp_path, case):
    text, message = BAD_RECIPES[case]
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(bc.UserError, match=message) as caught:
        bc.Recipe.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_and_a_binary_one_are_refused(tmp_path):
    path = tmp_path / "recipe.toml"
    with pytest.raises(bc.UserError, match="no such recipe"):
        bc.Recipe.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(bc.UserError, match="not a TOML file"):
        bc.Recipe.load(path)


# --- training ----------------------------------------------------------------------------------


def test_the_report_says_what_was_done(scenario):
    report = scenario.model.report
    assert report["stars"] == 200
    assert report["stars_left_out"] == 0
    assert report["pixels"] == {"ok": 63, "few_stars": 1, "singular": 0, "not_converged": 0}
    assert not scenario.model.usable[GAP]
    assert "200 stars; 63 usable pixels" in scenario.model.card


def test_predictions_are_the_spectra_without_noise(scenario):
    """0.3 % rms: 10 coefficients from 200 stars with 1 to 2 % noise."""
    predicted = scenario.model.predict(scenario.labels)
    assert np.isnan(predicted[:, GAP]).all()
    values = np.stack([scenario.labels[name] for name in NAMES], axis=1)
    np.testing.assert_array_equal(scenario.model.predict(values[3]), predicted[[3]])
    truth = np.asarray(features(scenario.scaled)) @ scenario.coefficients.T
    error = np.delete(predicted - truth, GAP, axis=1)
    assert np.sqrt(np.mean(error**2)) < 0.005


def test_units_of_the_labels_do_not_change_predictions(scenario):
    rows = slice(0, 200)
    other = label_table(
        scenario.spectra.star_id, (PIVOT + SCALE * scenario.scaled) * [3, -0.1, 7] + 5
    )
    model = bc.train(scenario.spectra[rows], other, scenario.recipe)
    np.testing.assert_allclose(
        model.predict(other), scenario.model.predict(scenario.labels), atol=1e-8
    )


def test_a_star_with_an_unknown_label_is_left_out_and_counted(scenario):
    labels = scenario.labels.copy()
    labels["logg"][5] = np.nan
    model = bc.train(scenario.spectra, labels, scenario.recipe)
    assert (model.report["stars"], model.report["stars_left_out"]) == (199, 1)
    without = np.delete(np.arange(200), 5)
    again = bc.train(scenario.spectra[without], scenario.labels, scenario.recipe)
    np.testing.assert_allclose(model.coefficients, again.coefficients, atol=1e-12)


def _set(table, name, value):
    table = table.copy()
    table[name] = value
    return table


BAD_TRAINING = {
    "nan": (lambda w: (w.spectra, _set(w.labels, "feh", np.nan)), "'feh' is NaN for every star"),
    "same": (lambda w: (w.spectra, _set(w.labels, "feh", 0.1)), "'feh' is the same"),
    "few": (lambda w: (w.spectra[:11], w.labels), "11 stars .* need at least 15"),
    "absent": (lambda w: (w.spectra, w.labels[1:]), "star-000"),
    "column": (lambda w: (w.spectra, w.labels["star_id", "teff"]), "no column 'logg'"),
}


@pytest.mark.parametrize("case", BAD_TRAINING)
def test_sets_that_cannot_train_are_refused(scenario, case):
    make, message = BAD_TRAINING[case]
    with pytest.raises(bc.UserError, match=message) as caught:
        bc.train(*make(scenario), scenario.recipe)
    assert "\n" not in str(caught.value)


def test_predict_refuses_labels_that_do_not_fit(scenario):
    with pytest.raises(bc.UserError, match="no column 'logg'"):
        scenario.model.predict(scenario.labels["star_id", "teff"])
    with pytest.raises(bc.UserError, match=r"got 2 labels a star.*teff, logg, feh"):
        scenario.model.predict([[4700.0, 2.5]])


def test_arrays_that_do_not_fit_make_no_model(scenario):
    for change in (
        {"coefficients": scenario.model.coefficients[:, 1:]},
        {"usable": scenario.model.usable[1:]},
        {"wavelength": None},
        {"factors": np.zeros((3, 1))},
    ):
        with pytest.raises((bc.UserError, TypeError)):  # whichever check of shapes comes first
            replace(scenario.model, **change)


# --- folders -----------------------------------------------------------------------------------


@pytest.fixture
def folder(scenario, tmp_path):
    scenario.model.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_is_the_model(scenario, folder):
    loaded = bc.Model.load(folder)
    assert loaded.id == scenario.model.id
    assert loaded.recipe == scenario.recipe
    assert (loaded.card, loaded.report) == (scenario.model.card, scenario.model.report)
    for name, array in scenario.model.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[name], array)
    loaded.save(folder, overwrite=True)  # replaces itself
    assert bc.Model.load(folder).id == scenario.model.id
    assert [p.name for p in folder.parent.iterdir()] == ["model"]
    assert {p.name for p in folder.iterdir()} == {
        ".bayescannon",
        "recipe.toml",
        "arrays.npz",
        "model.json",
        "CARD.md",
        "uncertainty.npz",
    }


def test_the_id_changes_with_any_number_or_setting(scenario):
    scatter = scenario.model.scatter.copy()
    scatter[3] += 1e-12
    other = replace(scenario.model, scatter=scatter)
    flat = replace(scenario.model, recipe=recipe_of(*NAMES, prior="flat"))
    assert len({scenario.model.id, other.id, flat.id}) == 3


def _edit(name, change):
    def edit(folder):
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return edit


def _json(**change):
    return _edit("model.json", lambda old: json.dumps(json.loads(old) | change).encode())


def _drop(folder):
    with np.load(folder / "arrays.npz") as stored:
        arrays = dict(stored)
    del arrays["scatter"]
    np.savez(folder / "arrays.npz", **arrays)


def _cut_pixels(folder):
    with np.load(folder / "arrays.npz") as stored:
        arrays = dict(stored)
    arrays["scatter"] = arrays["scatter"][:-1]
    np.savez(folder / "arrays.npz", **arrays)


BAD_FOLDERS = {
    "newer": (_json(format=store.FORMAT + 1), "is newer than this version reads.*upgrade"),
    "zero": (_json(format=0), "format 0"),
    "text format": (_json(format="new"), "damaged"),
    "list": (_edit("model.json", lambda _: b"[]"), "damaged"),
    "cut json": (_edit("model.json", lambda old: old[:30]), "damaged"),
    "no json": (lambda f: (f / "model.json").unlink(), "no model here"),
    "cut arrays": (_edit("arrays.npz", lambda old: old[: len(old) // 2]), "damaged"),
    "empty arrays": (_edit("arrays.npz", lambda _: b""), "damaged"),
    "changed arrays": (_edit("arrays.npz", lambda old: old[:900] + b"?" + old[901:]), "damaged"),
    "no arrays": (lambda f: (f / "arrays.npz").unlink(), "damaged"),
    "lost array": (_drop, "damaged.*scatter"),
    "other length": (_cut_pixels, "coefficients has shape"),
    "bad recipe": (_edit("recipe.toml", lambda old: old + b"\n[plots]\n"), "unknown key 'plots'"),
    "no recipe": (lambda f: (f / "recipe.toml").unlink(), "no such recipe"),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_damaged_folders_are_refused_in_one_line(folder, case):
    spoil, message = BAD_FOLDERS[case]
    spoil(folder)
    with pytest.raises(bc.UserError, match=message) as caught:
        bc.Model.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_an_older_format_is_upgraded(scenario, folder, monkeypatch):
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    monkeypatch.setitem(
        store.UPGRADES, store.FORMAT - 1, lambda info, arrays: (info | {"report": {}}, arrays)
    )
    loaded = bc.Model.load(folder)
    assert loaded.report == {}
    assert loaded.id == scenario.model.id


def test_the_shipped_model_is_the_real_one(four_label):
    assert four_label.labels == ("teff", "logg", "feh", "afe")
    assert four_label.coefficients.shape == (7214, 15)
    assert four_label.usable.sum() == 7210
    sun_like_giant = four_label.predict([4700.0, 2.5, 0.0, 0.05])[0]
    assert 0.9 < np.nanmedian(sun_like_giant) < 1.0
    assert np.nanmin(sun_like_giant) > 0.3
    deeper = four_label.predict([4700.0, 2.5, 0.2, 0.05])[0]
    assert np.nanmean(deeper) < np.nanmean(sun_like_giant)
