"""Outputs: nothing of the user's is replaced, nothing of two runs is mixed, nothing is lost."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, digests, run_cli

import bayescannon as bc
from bayescannon import locks
from bayescannon.catalog import block
from bayescannon.files import check_output, output
from bayescannon.locks import hold
from bayescannon.marks import CATALOG, MODEL, PIXELS, POSTERIOR, SPECTRA, Kind, is_ours
from bayescannon.model.store import save_or_spare
from bayescannon.plots.style import canvas, save
from bayescannon.validation.crossval import remove_folds

APSTAR = DATA / "apStar-r5-2M00004994+1621552.fits.gz"
SMALL = {"method": "laplace", "draws": 20}
FOLDER = Kind("folder")


def write(path, text="new"):
    with output(path, FOLDER, overwrite=True) as beside:
        beside.mkdir()
        (beside / "part").write_text(text)


@pytest.fixture
def thesis(tmp_path):
    """A folder of the user's, years of work in it."""
    folder = tmp_path / "thesis"
    (folder / "figures").mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work")
    (folder / "figures" / "fig1.png").write_bytes(b"a picture")
    return folder


WRITERS = {
    "Spectra.save": lambda s, out, **more: s.spectra.save(out, **more),
    "Model.save": lambda s, out, **more: s.model.save(out, **more),
    "Parsec.save": lambda s, out, **more: bc.Parsec.default().save(out, **more),
    "infer": lambda s, out, **more: bc.infer(s.model, s.spectra, out=out, **SMALL, **more),
    "run_catalog": lambda s, out, overwrite=False: bc.run_catalog(
        s.model, s.spectra, out, restart=overwrite, **SMALL
    ),
    "ingest_files": lambda s, out, **_: bc.ingest_files([APSTAR], out=out),
    "cross_validate": lambda s, out, **_: bc.cross_validate(
        s.spectra, s.labels, s.recipe, 2, folder=out
    ),
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_of_the_users_is_left_alone(name, overwrite, scenario, thesis, monkeypatch):
    before = digests(thesis)
    monkeypatch.chdir(thesis / "figures")
    for out in (thesis, Path(".."), Path("."), thesis.parent, thesis / "thesis.tex", Path("/")):
        with pytest.raises(bc.UserError) as refused:
            WRITERS[name](scenario, out, **({"overwrite": True} if overwrite else {}))
        assert "\n" not in str(refused.value)
    assert digests(thesis) == before
    assert {p.name for p in thesis.parent.iterdir()} == {"thesis"}


def test_a_file_of_the_users_is_left_alone(posterior, tmp_path):
    table, figure = bc.build_catalog(posterior), canvas(1, 1)
    for name in ("a.fits", "a.ecsv", "a.parquet", "a.vot", "a.mrt", "a.png"):
        path = tmp_path / name
        path.write_text("mine")
        with pytest.raises(bc.UserError, match="exists, and is no"):
            save(figure, path) if name == "a.png" else bc.write_catalog(table, path, overwrite=True)
        assert path.read_text() == "mine"
        path.unlink()
        for _ in range(2):  # its own is replaced
            save(figure, path) if name == "a.png" else bc.write_catalog(table, path, overwrite=True)
        if name != "a.png":
            with pytest.raises(bc.UserError, match=r"exists; .*--overwrite"):
                bc.write_catalog(table, path)
    with pytest.raises(bc.UserError, match=r"a\.pdf: cannot write \.pdf; use one of \.png"):
        save(figure, tmp_path / "a.pdf")


def test_results_are_replaced_on_demand_only_and_by_their_kind_only(scenario, tmp_path):
    scenario.model.save(tmp_path / "model")
    scenario.spectra[:3].save(tmp_path / "a.zarr")
    for again in (scenario.model.save, scenario.spectra.save):
        with pytest.raises(bc.UserError, match="exists"):
            again(tmp_path / "model")
    with pytest.raises(bc.UserError, match="no model that bayescannon wrote"):
        scenario.model.save(tmp_path / "a.zarr", overwrite=True)
    with pytest.raises(bc.UserError, match="no posterior store that bayescannon wrote"):
        bc.infer(scenario.model, scenario.spectra, out=tmp_path / "model", overwrite=True, **SMALL)
    scenario.model.save(tmp_path / "model", overwrite=True)
    assert bc.Model.load(tmp_path / "model").id == scenario.model.id
    assert len(bc.Spectra.open(tmp_path / "a.zarr")) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr", "model"]


def test_what_the_user_put_into_our_folder_is_left_there(scenario, tmp_path):
    scenario.model.save(tmp_path / "model")
    scenario.spectra[:3].save(tmp_path / "a.zarr")
    for folder, again in (("model", scenario.model.save), ("a.zarr", scenario.spectra.save)):
        (tmp_path / folder / "notes.txt").write_text("mine")
        with pytest.raises(bc.UserError, match=r"holds notes\.txt"):
            again(tmp_path / folder, overwrite=True)
        assert (tmp_path / folder / "notes.txt").read_text() == "mine"


def test_a_restart_removes_the_run_and_nothing_else(scenario, tmp_path):
    out = tmp_path / "run"
    bc.run_catalog(scenario.model, scenario.spectra, out, **SMALL)
    (out / "notes.txt").write_text("mine")
    bc.run_catalog(scenario.model, scenario.spectra, out, restart=True, seed=1, **SMALL)
    assert (out / "notes.txt").read_text() == "mine"
    assert json.loads((out / "manifest.json").read_text())["seed"] == 1


def test_outputs_of_the_first_version_are_known_by_what_they_hold(scenario, posterior, tmp_path):
    """They have no marks."""
    scenario.model.save(tmp_path / "model")
    (tmp_path / "model" / ".bayescannon").unlink()
    scenario.spectra.data.to_zarr(tmp_path / "spectra.zarr", consolidated=False)
    posterior.to_zarr(tmp_path / "post.zarr", consolidated=False)
    kinds = {"model": MODEL, "spectra.zarr": SPECTRA, "post.zarr": POSTERIOR}
    for name, kind in kinds.items():
        assert {n for n, k in kinds.items() if is_ours(tmp_path / name, k)} == {name}
        assert check_output(tmp_path / name, kind, overwrite=True) == tmp_path / name
    (tmp_path / "model" / "notes.txt").write_text("mine")
    assert not is_ours(tmp_path / "model", MODEL)


# --- names and links -------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_where_it_leads(scenario, tmp_path, there):
    (tmp_path / "home").mkdir()
    if there:
        (tmp_path / "scratch" / "run").mkdir(parents=True)
    link = tmp_path / "home" / "run"
    link.symlink_to(tmp_path / "scratch" / "run")
    for writer in ("infer", "run_catalog", "Model.save"):
        WRITERS[writer](scenario, link)
        assert link.is_symlink()
        assert any((tmp_path / "scratch" / "run").iterdir())
        assert [p.name for p in (tmp_path / "home").iterdir()] == ["run"]
        shutil.rmtree(tmp_path / "scratch" / "run")
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(bc.UserError):
        WRITERS["infer"](scenario, link)


def test_odd_names_are_names(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (
        "with spaces",
        "[brackets] *?",
        "\N{GREEK SMALL LETTER ALPHA} Boo",
        "-dash",
        "run.v2",
        "new/deep/er/",
    ):
        write(f"{tmp_path}/{name}")
        write(f"{tmp_path}/{name}", "again")
        assert (tmp_path / name / "part").read_text() == "again"
    write("~/tilde")
    assert (tmp_path / "tilde" / "part").exists()


def test_a_name_that_cannot_be_is_told(scenario, thesis, monkeypatch):
    scenario.spectra[:3].save(thesis.parent / "a.zarr")
    for out, kind, words in (
        (thesis / "thesis.tex" / "out", FOLDER, "is not a folder"),
        (thesis.parent / "a.zarr" / "post", POSTERIOR, "lies inside the store"),
        (thesis.parent / "post.nc", POSTERIOR, "a folder is written, not a .nc file"),
        (thesis.parent / "s.dat", CATALOG, r"cannot write \.dat; use one of \.fits"),
        (thesis.parent / "S.FITS.gz", CATALOG, "cannot write"),
        (thesis, CATALOG, "cannot write no suffix"),
        (thesis, PIXELS, "is not a file"),
    ):
        with pytest.raises(bc.UserError, match=words):
            check_output(out, kind)


# --- two runs --------------------------------------------------------------------------------


def test_two_runs_never_write_one_output(scenario, tmp_path):
    for name in ("infer", "Model.save", "Spectra.save", "ingest_files", "run_catalog"):
        out = tmp_path / name
        lock = out / ".lock" if name == "run_catalog" else tmp_path / f".{name}.lock"
        lock.parent.mkdir(exist_ok=True)
        with hold(lock, out), pytest.raises(bc.UserError, match="another run is writing here"):
            WRITERS[name](scenario, out)
        WRITERS[name](scenario, out)
    assert not [p for p in tmp_path.rglob(".*") if p.name != ".bayescannon"]


def test_a_second_ingest_of_other_files_is_refused_and_the_first_is_whole(tmp_path):
    out, refused = tmp_path / "a.zarr", []

    def meanwhile(_):
        with pytest.raises(bc.UserError, match="another run is writing here") as error:
            bc.ingest_files([DATA / "apStar-dr17-2M17335483-2753043.fits.gz"], out=out)
        refused.append(error)

    bc.ingest_files([APSTAR], progress=meanwhile, out=out)
    assert len(refused) == 1
    assert list(bc.Spectra.open(out).columns["source"]) == [str(APSTAR)]


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, 524])
def test_without_locks_of_the_file_system_a_file_is_the_lock(tmp_path, monkeypatch, code):
    def refuses(*_):
        raise OSError(code, "not here")

    monkeypatch.setattr(locks.fcntl, "flock", refuses)
    holder = "import filelock, sys; filelock.SoftFileLock(sys.argv[1]).acquire(); print(flush=True)"
    left_by_a_dead_run = tmp_path / ".run.lock-file"
    subprocess.run([sys.executable, "-c", holder, left_by_a_dead_run], check=True)

    def write_twice_at_once():
        with output(tmp_path / "run", FOLDER, overwrite=True) as beside:
            beside.mkdir()
            with pytest.raises(bc.UserError, match="another run is writing here"):
                write(tmp_path / "run")

    with pytest.warns(UserWarning, match="has no locks"):
        write_twice_at_once()
    with pytest.warns(UserWarning, match="has no locks"):
        write(tmp_path / "run")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_what_a_run_killed_between_its_two_renames_left_is_put_back(tmp_path):
    write(tmp_path / "run", "old")
    (tmp_path / "run").rename(tmp_path / ".old-12ab-run")
    (tmp_path / ".partial-12ab-run").mkdir()

    def fails():
        with output(tmp_path / "run", FOLDER, overwrite=True):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (tmp_path / "run" / "part").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


# --- what is kept ----------------------------------------------------------------------------


def test_a_model_that_its_place_cannot_take_is_kept_elsewhere(scenario, tmp_path, monkeypatch):
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spare"))

    def saves(path):
        if path == tmp_path / "model":
            raise bc.UserError("no") from OSError(errno.EDQUOT, "Disk quota exceeded")
        scenario.model.save(path)

    with pytest.raises(bc.UserError, match="Disk quota exceeded; the result is kept in") as told:
        save_or_spare(saves, tmp_path / "model", "model")
    assert bc.Model.load(str(told.value).split(" ")[-1]).id == scenario.model.id


def test_removing_folds_leaves_what_is_not_a_fold(tmp_path):
    for name in ("fold-000.npz", "fingerprint", "mine.txt"):
        (tmp_path / name).touch()
    remove_folds(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("unit", [3e-18, 1.0, 2e18])
def test_single_precision_holds_every_unit(tmp_path, unit):
    """Flux in erg/s/cm2/A has an inverse variance that float32 takes for infinite."""
    rng = np.random.default_rng(0)
    flux = unit * rng.normal(1, 0.1, (4, 6))
    ivar = np.full((4, 6), (0.01 * unit) ** -2.0)
    ivar[1, 2] = 0
    given = bc.Spectra(np.arange(6) + 15000.0, flux, ivar, list("abcd"))
    given.save(tmp_path / "a.zarr")
    back = bc.Spectra.open(tmp_path / "a.zarr")
    back[1:].save(tmp_path / "b.zarr")  # once more
    for spectra, rows in ((back, slice(None)), (bc.Spectra.open(tmp_path / "b.zarr"), slice(1, 4))):
        measured = ivar[rows] > 0
        np.testing.assert_allclose(spectra.flux[measured], flux[rows][measured], rtol=1e-7)
        np.testing.assert_allclose(spectra.ivar, ivar[rows], rtol=1e-7)
        np.testing.assert_allclose(*(s.snr() for s in (spectra, given[rows])), rtol=1e-6)


def test_stars_that_no_one_unit_fits_are_refused_by_name(tmp_path):
    flux = np.array([[1.0, 1.0], [3e-25, 3e-25]])
    spectra = bc.Spectra([1.0, 2.0], flux, (0.01 * flux) ** -2.0, ["a", "faint"])
    with pytest.raises(bc.UserError, match=r"star faint: .* single precision"):
        spectra.save(tmp_path / "a.zarr")


# --- workers ---------------------------------------------------------------------------------


def test_two_workers_start_no_process(scenario, tmp_path, monkeypatch):
    """Where a script has no main guard, or comes from standard input, one could not start."""

    def refuses(_):
        raise AssertionError("a process was started")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", refuses)
    monkeypatch.setattr("bayescannon.catalog.run.STARS_PER_BLOCK", 60)
    table = bc.run_catalog(scenario.model, scenario.spectra, tmp_path / "run", workers=2, **SMALL)
    assert len(table) == 200


def test_a_cluster_that_cannot_be_is_told_before_the_work(scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(block, "infer", None)
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(bc.UserError, match="needs dask"):
        bc.run_catalog(scenario.model, scenario.spectra, tmp_path / "run", scheduler="tcp://no:1")
    assert not (tmp_path / "run").exists()


def test_a_probability_beyond_one_is_told_at_once(tmp_path, monkeypatch, capsys):
    for p_rc in ("3", "-0.1"):
        assert run_cli(monkeypatch, "ages", tmp_path / "none.zarr", f"--p-rc={p_rc}") == 2
        assert "Invalid value for '--p-rc'" in capsys.readouterr().err
