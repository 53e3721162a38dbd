"""The command line's commands around spectra: ingest, paths, continuum-pixels, figures, bench."""

import numpy as np
from astropy.table import Table
from conftest import DATA, run_cli

import bayescannon as bc
from bayescannon.spectra import read_spectrum
from benchmarks.ingest import make_files

APSTAR = DATA / "apStar-r5-2M00004994+1621552.fits.gz"


def test_ingest_goes_on_and_clears_a_quarantine_that_is_mended(tmp_path, monkeypatch, capsys):
    again = tmp_path / "again.fits.gz"
    again.write_bytes(APSTAR.read_bytes()[:5000])
    listed = tmp_path / "stars.txt"
    listed.write_text(f"{APSTAR}\nagain.fits.gz\n")
    out = tmp_path / "a.zarr"
    assert run_cli(monkeypatch, "ingest", listed, "--out", out) == 0
    quarantine = tmp_path / "a.zarr.quarantine.ecsv"
    assert Table.read(quarantine)["file"].tolist() == [str(again)]
    assert len(bc.Spectra.open(out)) == 1
    again.write_bytes((DATA / "apStar-dr17-2M17335483-2753043.fits.gz").read_bytes())
    assert run_cli(monkeypatch, "ingest", listed, "--out", out) == 0
    assert not quarantine.exists()
    assert len(bc.Spectra.open(out)) == 2
    assert run_cli(monkeypatch, "ingest", tmp_path / "*.fit", "--out", out) == 2
    assert "no file fits this pattern" in capsys.readouterr().err


def test_paths_are_printed_one_a_line(tmp_path, monkeypatch, capsys):
    stars = {"APOGEE_ID": ["2M1", "2M2"], "FIELD": ["M13", "M5"], "TELESCOPE": ["apo25m"] * 2}
    Table(stars).write(tmp_path / "allStar.fits")
    assert run_cli(monkeypatch, "paths", tmp_path / "allStar.fits", "--star", "2M2") == 0
    line = "dr17/apogee/spectro/redux/dr17/stars/apo25m/M5/apStar-dr17-2M2.fits\n"
    assert capsys.readouterr().out == line
    words = ("--star", "2M1", "--field", "4548", "--release", "dr12", "--kind", "aspcapStar")
    assert run_cli(monkeypatch, "paths", *words) == 0
    assert capsys.readouterr().out.endswith("/v603/4548/aspcapStar-r5-v603-2M1.fits\n")
    assert run_cli(monkeypatch, "paths") == 2


def test_continuum_pixels_are_found_and_used(tmp_path, monkeypatch, capsys):
    listed = tmp_path / "pixels.txt"
    assert (
        run_cli(
            monkeypatch, "continuum-pixels", "--model", "apogee-dr12-four-label", "--out", listed
        )
        == 0
    )
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'name="x"\n[labels]\nnames=["teff"]\n[pixels]\ncontinuum="{listed}"\n')
    made = bc.ingest_files([APSTAR], bc.Recipe.load(recipe).pixels).spectra
    assert 0.9 < np.median(made.flux[made.ivar > 0]) < 1.0
    picture = tmp_path / "continuum.png"
    assert run_cli(monkeypatch, "figures", "continuum", APSTAR, "--out", picture) == 0
    assert (
        run_cli(monkeypatch, "figures", "continuum", APSTAR, "--recipe", recipe, "--out", picture)
        == 0
    )
    assert picture.stat().st_size > 50_000
    assert "2M00004994+1621552" in capsys.readouterr().out


def test_made_files_of_the_benchmark_are_like_real_ones(tmp_path):
    for path in make_files(tmp_path, 4, 0, lambda done: None):
        raw = read_spectrum(path)
        assert raw.star_id == path.stem[10:]
        assert 40 < raw.snr < 310
        assert 0.9 < (raw.ivar > 0).mean() < 1.0
