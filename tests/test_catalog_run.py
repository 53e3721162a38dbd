"""Catalogue runs in blocks: the same from every executor, resumed, or with a star that breaks."""

import gc
import json
import resource
import shutil
import signal
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
import xarray as xr
from astropy import units as u
from astropy.table import QTable, Table
from conftest import digests
from typer.testing import CliRunner

import bayescannon as bc
from bayescannon.catalog import block
from bayescannon.catalog.block import BlockMaker, part_path
from bayescannon.catalog.manifest import describe_run
from bayescannon.cli.app import app
from bayescannon.errors import DataWarning
from bayescannon.files import work_in
from bayescannon.flags import Flag
from bayescannon.marks import RUN
from bayescannon.trees import release

KEYS = {"method": "importance", "draws": 100, "seed": 3}
BLOCK = 60
SCRIPT = """
import sys
from pathlib import Path
import bayescannon as bc
from bayescannon.catalog import run
run.STARS_PER_BLOCK = {block}
bc.run_catalog(
    bc.Model.load(sys.argv[1]), bc.Spectra.open(sys.argv[2]), sys.argv[3], **{keys}
)
"""


@pytest.fixture(scope="module")
def places(scenario, tmp_path_factory):
    """A model and a store of 200 stars, three blocks and a rest, in a folder."""
    folder = tmp_path_factory.mktemp("survey")
    scenario.model.save(folder / "model")
    scenario.spectra.save(folder / "spectra.zarr")
    return folder


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("bayescannon.catalog.run.STARS_PER_BLOCK", BLOCK)


def _run(places, out, **changed):
    model, spectra = bc.Model.load(places / "model"), bc.Spectra.open(places / "spectra.zarr")
    return bc.run_catalog(model, spectra, out, **(KEYS | changed))


@pytest.fixture(scope="module")
def whole(places):
    """An undisturbed run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bayescannon.catalog.run.STARS_PER_BLOCK", BLOCK)
        table = _run(places, places / "whole")
    return table, digests(places / "whole")


def test_a_run_holds_what_the_steps_give(scenario, places, whole):
    table, _ = whole
    post = bc.infer(scenario.model, bc.Spectra.open(places / "spectra.zarr"), **KEYS)
    steps = bc.build_catalog(post)
    assert table.colnames == steps.colnames
    np.testing.assert_array_equal(table["star_id"], steps["star_id"])
    np.testing.assert_allclose(table["teff_q16"].value, steps["teff_q16"].value, rtol=1e-12)
    np.testing.assert_array_equal(table["flags"], steps["flags"])
    kept = bc.open_posterior(places / "whole" / "posteriors.zarr")
    name = str(scenario.spectra.star_id[133])
    one = kept["posterior"].sel(star=name)["teff"].values
    np.testing.assert_allclose(one, post["posterior"].sel(star=name)["teff"].values, rtol=1e-6)


def test_a_second_run_makes_only_what_is_missing(
    places, whole, tmp_path, small_blocks, monkeypatch
):
    out = tmp_path / "run"
    shutil.copytree(places / "whole", out)
    part_path(out, 2).unlink()
    (out / "posteriors.zarr" / ".partial-1-c").write_text("left by a killed process")
    made = []
    call = BlockMaker.__call__
    monkeypatch.setattr(BlockMaker, "__call__", lambda self, k: (made.append(k), call(self, k))[1])
    seen = []
    _run(places, out, progress=lambda done, flagged: seen.append(done))
    assert made == [2]
    assert sorted(seen) == seen
    assert seen[-1] == 200
    assert digests(out) == whole[1]


def test_a_changed_run_is_refused_unless_it_starts_anew(places, whole, tmp_path, small_blocks):
    out = tmp_path / "run"
    shutil.copytree(places / "whole", out)
    with pytest.raises(bc.UserError, match=r"holds a run with seed 3, now it is 4.*--restart"):
        _run(places, out, seed=4)
    assert digests(out) == whole[1]
    _run(places, out, seed=4, restart=True)
    assert json.loads((out / "manifest.json").read_text())["seed"] == 4
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(bc.UserError, match="no folder of a catalogue run"):
        _run(places, tmp_path / "other", restart=True)
    assert (tmp_path / "other" / "thesis.tex").exists()


def test_a_run_killed_before_its_manifest_was_there_goes_on(places, whole, tmp_path, small_blocks):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".partial-1-manifest.json").write_text("{")
    _run(places, tmp_path / "run")
    assert digests(tmp_path / "run") == whole[1]


def test_a_fault_of_the_machine_is_no_stars_fault(places, tmp_path, small_blocks, monkeypatch):
    def breaks(*_, **__):
        raise MemoryError("none left")

    monkeypatch.setattr(block, "infer", breaks)
    with pytest.raises(MemoryError):
        _run(places, tmp_path / "run")
    assert not part_path(tmp_path / "run", 0).exists()


def test_a_star_that_breaks_inference_is_the_only_one_lost(
    places, whole, tmp_path, small_blocks, monkeypatch
):
    """Its name is in failed.ecsv, its row is NaN with a flag; the others' numbers stay."""
    bad, infer = str(whole[0]["star_id"][77]), block.infer

    def breaks(model, spectra, **settings):
        _, ivar = spectra.arrays()
        if (ivar[spectra.star_id == bad] > 0).any():
            raise FloatingPointError("a star of antimatter")
        return infer(model, spectra, **settings)

    monkeypatch.setattr(block, "infer", breaks)
    table = _run(places, tmp_path / "run")
    lost = np.asarray(table["flags"]) & Flag.FAILED > 0
    assert list(table["star_id"][lost]) == [bad]
    assert np.isnan(table["teff_q50"][lost]).all()
    others = ~lost
    np.testing.assert_array_equal(table["teff_q50"][others], whole[0]["teff_q50"][others])
    assert "antimatter" in (tmp_path / "run" / "failed.ecsv").read_text()
    assert bad in (tmp_path / "run" / "failed.ecsv").read_text()


def test_a_star_that_breaks_a_later_step_is_the_only_one_lost(
    places, whole, tmp_path, small_blocks, monkeypatch
):
    bad, build = str(whole[0]["star_id"][133]), block.build_catalog

    def breaks(post, ages, **rest):
        here = post["posterior"].star.values == bad
        if np.isfinite(post["posterior"]["teff"].values[..., here]).any():
            raise ValueError("no such age")
        return build(post, ages, **rest)

    monkeypatch.setattr(block, "build_catalog", breaks)
    table = _run(places, tmp_path / "run")
    lost = np.asarray(table["flags"]) & Flag.FAILED > 0
    assert list(table["star_id"][lost]) == [bad]
    np.testing.assert_array_equal(table["teff_q50"][~lost], whole[0]["teff_q50"][~lost])
    assert "no such age" in (tmp_path / "run" / "failed.ecsv").read_text()


def test_a_block_that_fails_as_a_whole_stops_the_run_with_its_stars(
    places, whole, tmp_path, small_blocks, monkeypatch
):
    """Its halves pass: no star is to blame, and none is thrown away."""
    infer, names = block.infer, whole[0]["star_id"]

    def breaks(model, spectra, **settings):
        if len(spectra) == BLOCK and names[BLOCK] in spectra.star_id:
            raise ValueError("too many at once")
        return infer(model, spectra, **settings)

    monkeypatch.setattr(block, "infer", breaks)
    with pytest.raises(bc.UserError, match=rf"block 1 \({names[60]} to {names[119]}\).*at once"):
        _run(places, tmp_path / "run")
    monkeypatch.setattr(block, "infer", infer)
    _run(places, tmp_path / "run")
    assert digests(tmp_path / "run") == whole[1]


def test_two_runs_do_not_work_in_one_folder(places, tmp_path, small_blocks):
    refused = pytest.raises(bc.UserError, match="another run is writing here")
    with work_in(tmp_path / "run", RUN, "manifest.json"), refused:
        _run(places, tmp_path / "run")
    _run(places, tmp_path / "run")


def test_other_spectra_under_the_same_names_are_refused(places, whole, tmp_path, small_blocks):
    """One file of an ingested store was another: its checksum tells, wherever the star is."""
    spectra = bc.Spectra.open(places / "spectra.zarr")
    made = []
    for checksum in ("a", "b"):
        columns = {"checksum": np.where(np.arange(200) == 101, checksum, "same")}
        given = bc.Spectra(
            spectra.wavelength, *spectra.arrays(np.float32), spectra.star_id, columns=columns
        )
        made.append(describe_run(bc.Model.load(places / "model"), given, None, {})["spectra id"])
    assert made[0] != made[1]


def test_a_lost_and_a_damaged_chunk_stop_the_run_with_the_stars(places, tmp_path, small_blocks):
    store = tmp_path / "spectra.zarr"
    shutil.copytree(places / "spectra.zarr", store)
    chunk = store / "flux" / "c" / "0" / "0"
    kept = chunk.read_bytes()
    chunk.write_bytes(kept[:100])
    model = bc.Model.load(places / "model")
    with pytest.raises(bc.UserError, match=r"stars .* to .* cannot be read"):
        bc.run_catalog(model, bc.Spectra.open(store), tmp_path / "run", **KEYS)
    chunk.unlink()
    with pytest.raises(bc.UserError, match=r"flux.*lacks 1 of 1 chunks"):
        bc.Spectra.open(store)
    chunk.write_bytes(kept)
    assert len(bc.run_catalog(model, bc.Spectra.open(store), tmp_path / "run", **KEYS)) == 200


def _start(places, out, **changed) -> subprocess.Popen:
    script = SCRIPT.format(block=BLOCK, keys=KEYS | changed)
    words = [sys.executable, "-c", script, places / "model", places / "spectra.zarr", out]
    return subprocess.Popen([str(w) for w in words], stderr=subprocess.PIPE)


def test_killed_after_a_block_it_goes_on_to_the_same_bytes(places, whole, tmp_path, small_blocks):
    """SIGKILL as soon as the first part is there; benchmarks/kill.py has 25."""
    running = _start(places, tmp_path / "run")
    while running.poll() is None and not part_path(tmp_path / "run", 0).exists():
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    _run(places, tmp_path / "run")
    assert digests(tmp_path / "run") == whole[1]


def test_a_disk_without_space_is_told_before_the_work(places, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(bc.UserError, match=r"run: 0\.0 GB are needed and 0\.0 GB are free"):
        _run(places, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_one_line_and_the_run_goes_on(places, whole, tmp_path, small_blocks):
    """No file may pass 20 kB: a block's draws are larger."""

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
        with pytest.raises(bc.UserError, match="File too large; what is done is kept"):
            _run(places, tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    _run(places, tmp_path / "run")
    assert digests(tmp_path / "run") == whole[1]


def test_processes_write_the_same_bytes(places, whole, tmp_path, small_blocks, monkeypatch):
    """More blocks than may wait: one lost in the queue would be missing here."""
    monkeypatch.setattr("bayescannon.catalog.run.STARS_PER_BLOCK", 30)
    one = _run(places, tmp_path / "one")
    two = _run(places, tmp_path / "two", workers=2)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    np.testing.assert_array_equal(one["teff_q50"], two["teff_q50"])
    np.testing.assert_allclose(one["teff_q50"].value, whole[0]["teff_q50"].value, rtol=1e-9)


def test_a_dask_cluster_writes_the_same_bytes(places, whole, tmp_path, small_blocks):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        _run(places, tmp_path / "run", scheduler=cluster.scheduler_address)
    assert digests(tmp_path / "run") == whole[1]


def test_the_command_makes_files_and_a_summary(places, tmp_path):
    words = ["catalog", places / "spectra.zarr", "--model", places / "model", "--draws", "100"]
    words += ["--method", "importance", "--format", "ecsv", "--format", "fits"]
    words += ["--format", "parquet", "--out", tmp_path / "run"]
    done = CliRunner().invoke(app, [str(w) for w in [*words, "--json"]], catch_exceptions=False)
    assert done.exit_code == 0
    summary = json.loads(done.stdout)  # bars and warnings go to standard error
    flags = QTable.read(tmp_path / "run" / "catalog.fits")["flags"]
    assert (summary["stars"], summary["flagged"]) == (200, (flags != 0).sum())
    assert summary["bad"] == (~bc.flags.good(flags)).sum()
    for suffix in ("ecsv", "fits"):
        back = QTable.read(tmp_path / "run" / f"catalog.{suffix}")
        assert str(back["star_id"][7]) == str(bc.Spectra.open(places / "spectra.zarr").star_id[7])
    part = QTable.read(part_path(tmp_path / "run", 0))  # parquet is the run's own folder of parts
    assert (part["teff_q50"] == back["teff_q50"]).all()
    assert part["teff_q50"].unit == "K"
    assert part["teff_q50"].info.description == "median of the effective temperature"
    refused = {
        r"catalog\.docx: cannot write": ["--format", "docx"],
        r"one\.fits is a file, .* leave --format out": ["--out", "one.fits"],
    }
    for message, more in refused.items():
        with pytest.raises(bc.UserError, match=message):
            CliRunner().invoke(app, [str(w) for w in [*words, *more]], catch_exceptions=False)


def test_what_the_survey_knows_and_what_made_it_go_into_the_catalogue(places, scenario, tmp_path):
    """Of the store and of a table; and semi-synthetic spectra are called so to the end."""
    stars = scenario.spectra[:5]
    known = {"semi_synthetic": np.ones(5, bool), "rv": np.arange(5.0)}
    stars.with_columns(known).save(tmp_path / "spectra.zarr")
    about = Table(
        {"APOGEE_ID": [b"star-003  ", b"star-000"], "RA": [1.5, 2.5], "FIELD": ["a", "b"]}
    )
    about["GAIAEDR3_SOURCE_ID"] = [5853498713190525696, 2]
    about.write(tmp_path / "allStar.fits")
    words = ["catalog", tmp_path / "spectra.zarr", "--model", places / "model", "--draws", "50"]
    words += ["--method", "laplace", "--carry", tmp_path / "allStar.fits", "--aliases", "gaia"]
    words += ["--out", tmp_path / "run", "--json"]
    done = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert json.loads(done.stdout)["data"] == "semi-synthetic"
    back = bc.read_catalog(tmp_path / "run" / "catalog.fits")
    assert back.colnames[:5] == ["star_id", "gaia_id", "ra", "field", "rv"]
    assert back["gaia_id"].tolist() == [2, -1, -1, 5853498713190525696, -1]
    np.testing.assert_array_equal(back["ra"].value, [2.5, np.nan, np.nan, 1.5, np.nan])
    assert (back["rv"] == [0, 1, 2, 3, 4] * u.km / u.s).all()
    np.testing.assert_array_equal(back["teff"], back["teff_q50"])
    made = back.meta["run"]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert made == manifest
    assert made["recipe"] == scenario.model.recipe.dumps()
    assert made["command"].startswith("bayescannon")
    assert back.meta["data"] == "semi-synthetic"
    about["APOGEE_ID"] = ["elsewhere", "nowhere"]
    about.write(tmp_path / "other.csv")
    with pytest.raises(bc.UserError, match=r"other\.csv: holds none of the 5 stars"):
        bc.catalog.carried(stars.star_id, tmp_path / "other.csv")


def test_a_model_of_simulated_spectra_warns_when_used_on_others(scenario):
    marked = scenario.spectra.with_columns({"semi_synthetic": np.ones(200, bool)})
    model = bc.train(marked, scenario.labels, scenario.recipe)
    assert bc.infer(model, marked[:2], "laplace", draws=10).attrs["data"] == "semi-synthetic"
    with pytest.warns(DataWarning, match="'small' was trained on semi-synthetic spectra"):
        bc.infer(model, scenario.spectra[:2], "laplace", draws=10)


def test_trees_that_are_released_are_freed_without_the_garbage_collector():
    """A run's memory grew by a block's draws with every block."""
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"teff": ("star", np.zeros(3))})})
    node = weakref.ref(tree["posterior"])
    gc.disable()
    try:
        release(tree)
        del tree
        assert node() is None
    finally:
        gc.enable()
