"""The command line from end to end: the demo once, each stage by itself, bad input."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import QTable, Table
from conftest import run_cli

import bayescannon as bc

ROOT = Path(__file__).resolve().parents[1]
LABELS = ("teff", "logg", "feh", "afe", "ln_mass")


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """The full demo, as the README runs it."""
    out = tmp_path_factory.mktemp("run") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        assert run_cli(patch, "demo", "--out", out) == 0
    return out


def test_demo_leaves_the_files_of_the_contract(demo):
    wanted = {"catalog.fits", "catalog.ecsv", "posteriors.zarr", "model", "figures", "summary.json"}
    for_the_paper = {"ages.zarr", "crossval.npz", "training.ecsv", "truth.ecsv", "spectra.zarr"}
    assert {p.name for p in demo.iterdir()} == wanted | for_the_paper | {".bayescannon"}
    assert len(list((demo / "figures").glob("*.png"))) >= 10
    table = QTable.read(demo / "catalog.fits")
    assert len(table) == 2000
    assert np.isfinite(table["age_q50"].value).mean() > 0.99
    inside = (table["flags"] & bc.flags.Flag.OUTSIDE_TRAINING) == 0
    assert (~table["good"][inside]).mean() < 0.15
    assert "semi-synthetic" in table.meta["BCMETA"]
    post = bc.open_posterior(demo / "posteriors.zarr")
    assert post["posterior"].sizes == {"chain": 1, "draw": 500, "star": 2000}
    assert bc.Model.load(demo / "model").id == post.attrs["model_id"]


def test_demo_summary_has_the_promised_figures(demo):
    """Seed 0: cross-validated mass error at most 0.150 in ln. Widths of 2000 stars within 0.25 of
    1: Monte Carlo 0.02, and one training set's label scale moves them by 0.1. Test stars are mock
    ones, whose noise training knows; those of the cross-validation have real masses."""
    summary = json.loads((demo / "summary.json").read_text())
    for name in LABELS:
        for key in ("crossval.rms", "crossval.z", "test.rms", "test.z", "test.coverage68"):
            assert np.isfinite(summary[f"{key}.{name}"])
    assert summary["crossval.rms.ln_mass"] <= 0.150
    assert summary["test.rms.ln_mass"] <= 0.095
    assert summary["crossval.rms.teff"] < 31
    for name in (*LABELS, "ln_age"):
        assert 0.75 < summary[f"test.z.{name}"] < 1.25
        assert 0.60 < summary[f"test.coverage68.{name}"] < 0.76
    for name in LABELS:
        assert 0.75 < summary[f"crossval.z.{name}"] < 1.25
    assert summary["data"] == "semi-synthetic"
    assert {"seconds.train", "seconds.infer", "seconds.total"} <= set(summary)


def test_every_stage_by_itself(tmp_path, monkeypatch):
    """simulate, train, crossval, infer, ages, catalog through files; few pixels keep it quick."""
    made = tmp_path / "made"
    assert run_cli(monkeypatch, "simulate", "--kind", "mock", "--stars", 120, "--out", made) == 0
    full = bc.Spectra.open(made / "spectra.zarr")
    flux, ivar = full.arrays()
    short = bc.Spectra(full.wavelength[::40], flux[:, ::40], ivar[:, ::40], full.star_id)
    short.save(made / "short.zarr")
    recipe = ROOT / "models" / "apokasc-mass" / "recipe.toml"
    inputs = ("--spectra", made / "short.zarr", "--labels", made / "labels.ecsv")
    model = tmp_path / "model"
    assert run_cli(monkeypatch, "train", *inputs, "--recipe", recipe, "--out", model) == 0
    out = tmp_path / "cv"
    words = (*inputs, "--recipe", recipe, "--folds", 3, "--truth", made / "truth.ecsv")
    assert run_cli(monkeypatch, "crossval", *words, "--out", out) == 0
    assert set(json.loads((out / "crossval.json").read_text())["labels"]) == set(LABELS)
    assert len(Table.read(out / "crossval.ecsv")) == 120
    post, ages = tmp_path / "post.zarr", tmp_path / "ages.zarr"
    words = (made / "short.zarr", "--model", model, "--method", "laplace", "--out", post)
    assert run_cli(monkeypatch, "infer", *words) == 0
    assert run_cli(monkeypatch, "ages", post, "--out", ages, "--prior", "flat-log-age") == 0
    assert run_cli(monkeypatch, "catalog", post, "--ages", ages, "--out", tmp_path / "c.ecsv") == 0
    table = QTable.read(tmp_path / "c.ecsv")
    assert list(table["star_id"]) == list(full.star_id)
    by_hand = bc.build_catalog(bc.open_posterior(post), bc.open_posterior(ages))
    np.testing.assert_allclose(table["age_q50"].value, by_hand["age_q50"].value)


def test_real_giants_through_the_command_line(tmp_path, monkeypatch, capsys):
    """The DR12 giant near ASPCAP's labels; the cool DR17 one flagged; a bad file quarantined."""
    files = sorted((ROOT / "tests" / "data").glob("apStar-*.fits.gz"))
    broken = tmp_path / "apStar-broken.fits"
    broken.write_bytes(b"SIMPLE  =                    T")
    store = tmp_path / "real.zarr"
    assert run_cli(monkeypatch, "ingest", *files, broken, "--out", store) == 0
    quarantine = Table.read(tmp_path / "real.zarr.quarantine.ecsv")
    assert len(quarantine) == 1
    assert "apStar-broken.fits" in quarantine["reason"][0]
    post = tmp_path / "post.zarr"
    name = "apogee-dr12-four-label"
    assert run_cli(monkeypatch, "infer", store, "--model", name, "--out", post) == 0
    assert "OUTSIDE_TRAINING" in capsys.readouterr().out
    tree = bc.open_posterior(post)
    near = tree["point"]["mean"].sel(star="2M00004994+1621552").values
    assert (np.abs(near - [4705, 2.58, 0.10, 0.05]) < [60, 0.2, 0.06, 0.06]).all()
    flags = tree["sample_stats"]["flags"].sel(star="2M17335483-2753043").item()
    assert bc.flags.Flag.OUTSIDE_TRAINING in bc.flags.Flag(flags)


def bad_calls(folder: Path) -> dict[str, tuple[list, str]]:
    """Calls that a user can mend, and what the one line must name."""
    short = folder / "short.fits.gz"
    whole = next((ROOT / "tests" / "data").glob("apStar-r5*")).read_bytes()
    short.write_bytes(whole[: len(whole) // 2])
    recipe = folder / "recipe.toml"
    recipe.write_text('name = "x"\n[labels]\nnames = ["teff"]\ndegre = 2\n')
    newer = folder / "newer"
    shutil.copytree(ROOT / "models" / "apogee-dr12-four-label", newer)
    info = json.loads((newer / "model.json").read_text()) | {"format": 99}
    (newer / "model.json").write_text(json.dumps(info))
    no_unit = folder / "labels.ecsv"
    table = Table({"star_id": ["a"], "teff": [4700.0]})
    table["teff"].unit = "furlong"
    table.write(no_unit)
    spectra = folder / "s.zarr"
    bc.Spectra([15200.0, 15201.0], np.ones((1, 2)), np.ones((1, 2)), ["a"]).save(spectra)
    good = folder / "good.toml"
    good.write_text('name = "x"\n[labels]\nnames = ["teff"]\n')
    trainer = ["train", "--spectra", spectra, "--labels", no_unit, "--out", folder / "out"]
    model = ["--model", "apogee-dr12-four-label", "--out", folder / "out"]
    return {
        "missing file": (["infer", folder / "nope.fits", *model], "nope.fits"),
        "truncated file": (["infer", short, *model], "short.fits.gz"),
        "unknown key": ([*trainer, "--recipe", recipe], "labels.degre"),
        "unknown unit": ([*trainer, "--recipe", good], "furlong"),
        "newer model": (["infer", spectra, "--model", newer, "--out", folder / "out"], "newer"),
        "other grid": (["infer", spectra, *model], "2 pixels"),
        "no such model": (["infer", spectra, "--model", "nix", "--out", folder / "out"], "nix"),
        "unknown prior": (["ages", folder / "none.zarr", "--out", folder / "out"], "none.zarr"),
    }


def test_bad_input_is_one_line_exit_2_and_nothing_half_written(tmp_path, monkeypatch, capsys):
    for what, (words, named) in bad_calls(tmp_path).items():
        before = sorted(p.name for p in tmp_path.iterdir())
        assert run_cli(monkeypatch, *words) == 2, what
        message = capsys.readouterr().err.strip()
        assert named in message, (what, message)
        assert "\n" not in message, (what, message)
        assert message.startswith("bayescannon: "), what
        assert sorted(p.name for p in tmp_path.iterdir()) == before, what


def test_datatree_of_the_demo_opens_with_xarray(demo):
    tree = xr.open_datatree(demo / "posteriors.zarr", engine="zarr", consolidated=False)
    assert {"posterior", "sample_stats", "point"} <= set(tree.children)
