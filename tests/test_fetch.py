"""`fetch` against a local archive that loses connections, cuts bodies, answers 404, 429, 503."""

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.table import Table
from conftest import DATA, digests, run_cli

import bayescannon as bc
from bayescannon.spectra.fetch import fetch_files
from benchmarks.archive import archive

ROWS = DATA / "allStar-r12-l33-6rows.fits.gz"
ONE = gzip.decompress((DATA / "apStar-dr17-2M17335483-2753043.fits.gz").read_bytes())


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("bayescannon.spectra.fetch.PAUSE", 0.001)


def small_files(n: int) -> dict[str, bytes]:
    """So many files that have the structure of FITS, 2880 bytes each."""
    return {
        f"dr17/{k % 7}/apStar-{k}.fits": b"SIMPLE  = T".ljust(2880, b"%d" % (k % 10))
        for k in range(n)
    }


def test_files_come_whole_whatever_the_network_does(tmp_path):
    files = small_files(200)
    faults = np.random.default_rng(1).choice(
        [None, "drop", "cut", 503, 429], (200, 3), p=[0.7, 0.1, 0.1, 0.09, 0.01]
    )
    place = {path: k for k, path in enumerate(files)}

    def fault(path, time):
        return faults[place[path], time - 1] if path in place and time <= 3 else None

    seen: list = []
    with archive(files, fault) as (base, asked):
        wanted = [*files, "dr17/0/nowhere.fits"]
        done = fetch_files(wanted, tmp_path / "a", base, progress=lambda *n: seen.append(n))
        assert done.files == 200
        assert done.missing["file"].tolist() == ["dr17/0/nowhere.fits"]
        assert "404" in done.missing["reason"][0]
        assert seen[-1] == (201, 1)
        for path, data in files.items():
            assert (tmp_path / "a" / path).read_bytes() == data
        before = asked.total()
        again = fetch_files(wanted, tmp_path / "a", base)
        assert asked.total() == before + 1  # only what is missing is asked for again
    assert again.files == 200
    assert not list((tmp_path / "a").rglob("*partial*"))


def test_a_pause_that_the_archive_asks_for_is_made(tmp_path):
    files = small_files(1)
    with archive(files, lambda path, n: 429 if n == 1 else None) as (base, _):
        begin = time.monotonic()
        assert fetch_files(files, tmp_path / "a", base).files == 1
    assert time.monotonic() - begin >= 1.0


def test_what_is_no_whole_file_is_not_kept(tmp_path):
    """Checksums, FITS blocks, gzip; and a path that leads out of the folder."""
    files = small_files(3) | {"b.fits": b"<html>", "c.fits.gz": gzip.compress(ONE)[:-9]}
    (tmp_path / "sums").write_text(f"{hashlib.sha1(b'').hexdigest()}  ./dr17/1/apStar-1.fits\n")
    sums = bc.spectra.fetch.read_sums(tmp_path / "sums")
    with archive(files) as (base, _):
        done = fetch_files([*files, "../out.fits"], tmp_path / "a", base, sums=sums)
    reasons = dict(zip(done.missing["file"], done.missing["reason"], strict=True))
    assert reasons.keys() == {"dr17/1/apStar-1.fits", "b.fits", "c.fits.gz", "../out.fits"}
    assert reasons["dr17/1/apStar-1.fits"] == "has another sha1 than is published"
    assert reasons["b.fits"] == "is no whole FITS file"
    assert "gzip" in reasons["c.fits.gz"]
    assert done.files == 2
    (tmp_path / "sums").write_text("nothing\n")
    with pytest.raises(bc.UserError, match="is no line of a checksum"):
        bc.spectra.fetch.read_sums(tmp_path / "sums")


def test_an_archive_that_never_answers_ends_the_run_and_other_folders_are_left_alone(tmp_path):
    files = small_files(30)
    told = pytest.raises(bc.UserError, match=r"10 files in a row.*answers 503.*run the same")
    with archive(files, lambda path, n: 503) as (base, _), told:
        fetch_files(files, tmp_path / "a", base)
    with pytest.raises(bc.UserError, match="10 files in a row could not be had"):
        fetch_files(files, tmp_path / "a", base)  # nothing listens there any more
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(bc.UserError, match="is no folder of downloads"):
        fetch_files(files, tmp_path / "mine", base)


def test_the_command_takes_the_rows_of_a_table_and_ingest_reads_them(tmp_path, monkeypatch, capsys):
    stars = bc.read_all_star(ROWS)
    paths = bc.survey_paths(stars, "dr17", "apStar")
    with archive(dict.fromkeys(paths[:5], ONE)) as (base, _):
        words = ("fetch", ROWS, "--out", tmp_path / "sas", "--url", base, "--json")
        assert run_cli(monkeypatch, *words) == 0
        made = json.loads(capsys.readouterr().out)
        assert (made["files"], made["missing"]) == (5, 1)
        missing = Table.read(tmp_path / "sas.missing.ecsv")
        assert missing["file"].tolist() == paths[5:]
    assert sorted(p.relative_to(tmp_path / "sas") for p in (tmp_path / "sas").rglob("*.fits"))
    assert len(bc.ingest_files(sorted((tmp_path / "sas").rglob("*.fits"))).quarantine) == 4


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_it_goes_on_to_the_same_folder(tmp_path, how):
    files = small_files(60)
    # a shell that runs the tests in the background has children ignore Ctrl-C
    code = "import signal, sys, bayescannon as bc\n"
    code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "bc.fetch_files(sys.argv[3:], sys.argv[1], sys.argv[2], workers=2)\n"
    slow = lambda path, n: time.sleep(0.02)  # noqa: E731
    with archive(files, slow) as (base, _):
        fetch_files(files, tmp_path / "whole", base)
        words = [sys.executable, "-c", code, tmp_path / "a", base, *files]
        running = subprocess.Popen(list(map(str, words)), stderr=subprocess.DEVNULL)
        while len(list((tmp_path / "a").rglob("*.fits"))) < 10:
            time.sleep(0.01)
        running.send_signal(how)
        assert running.wait() != 0
        assert fetch_files(files, tmp_path / "a", base).files == 60
    assert digests(tmp_path / "a") == digests(tmp_path / "whole")
