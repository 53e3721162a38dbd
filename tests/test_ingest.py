"""Files into a store: what is bad is set aside, what is killed goes on, nothing changes."""

import asyncio
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr.storage._local as local_store
from astropy.io import fits
from conftest import DATA, digests
from zarr.core.sync import sync

import bayescannon as bc
from bayescannon.spectra import read_spectrum
from bayescannon.spectra.ingest import block, expand, run, store

PIXELS = bc.Recipe.loads('name = "x"\n[labels]\nnames = ["teff"]\n').pixels


def ap_star(seed: int, rows: int = 1) -> bytes:
    """A file after the data model of apStar: smooth flux, S/N 100, its seed in the name."""
    rng = np.random.default_rng(seed)
    shape = (8575,) if rows == 1 else (rows, 8575)
    level = 200 + 20 * np.linspace(-1, 1, 8575)
    flux = np.float32(level * (1 + 0.01 * rng.normal(size=shape)))
    images = [flux, np.float32(0 * flux + level / 100), np.zeros(shape, np.int16)]
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(data) for data in images)]
    hdus[0].header["OBJID"] = f"2M{seed:08d}+0000000"
    for hdu in hdus[1:]:
        hdu.header["CRVAL1"], hdu.header["CDELT1"], hdu.header["CRPIX1"] = 4.179, 6e-6, 1
    out = io.BytesIO()
    fits.HDUList(hdus).writeto(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Eleven stars and two damaged files; one star id occurs twice, one file is a copy."""
    folder = tmp_path_factory.mktemp("files")
    for seed in range(9):
        (folder / f"apStar-{seed}.fits").write_bytes(ap_star(seed))
    (folder / "apStar-3b.fits").write_bytes(ap_star(3)[:-2880] + b"x" * 2880)
    (folder / "apStar-3c.fits").write_bytes(ap_star(3))
    (folder / "apStar-5cut.fits").write_bytes(ap_star(5)[:30000])
    (folder / "apStar-0empty.fits").write_bytes(b"")
    return sorted(folder.iterdir())


@pytest.fixture
def small_chunks(monkeypatch):
    """Four stars a chunk and three files a block, so that a few files fill several of each."""
    for module in (run, store):
        monkeypatch.setattr(module, "STARS_PER_CHUNK", 4)
    monkeypatch.setattr(run, "FILES_PER_BLOCK", 3)


def test_a_store_holds_what_memory_holds(files, tmp_path, small_chunks):
    made = bc.ingest_files(files)
    done: list[int] = []
    kept = bc.ingest_files(files, progress=done.append, out=tmp_path / "a.zarr")
    assert done == sorted(done)
    assert done[-1] == len(files)
    assert len(kept.spectra) == 10
    names = ["2M00000003+0000000", "2M00000003+0000000#2", "2M00000004+0000000"]
    assert list(kept.spectra.star_id[3:6]) == names
    for name in ("flux", "ivar", "star_id"):
        np.testing.assert_array_equal(getattr(made.spectra, name), getattr(kept.spectra, name))
    assert set(kept.spectra.columns) == {
        *("source", "checksum", "snr", "star_flags", "bad_star", "continuum"),
        *("sdss_id", "gaia_id", "ra", "dec", "field", "telescope", "rv"),
    }
    for name, values in made.spectra.columns.items():
        np.testing.assert_array_equal(kept.spectra.columns[name], values)
    level = kept.spectra.columns["continuum"][:, ::3]
    np.testing.assert_allclose(level, np.broadcast_to([186, 202, 215], level.shape), atol=4)
    assert [Path(f).name for f in kept.quarantine["file"]] == [
        *("apStar-0empty.fits", "apStar-3c.fits", "apStar-5cut.fits")
    ]
    assert "the same file as" in kept.quarantine["reason"][1]
    assert kept.quarantine["reason"].tolist() == made.quarantine["reason"].tolist()


class Killed(BaseException):
    """Stands for a signal that no process can catch: nothing in the package handles it."""


async def _writes_in_flight() -> None:
    """Wait for the writes that Zarr began beside the one that failed."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


def test_killed_at_any_write_it_opens_and_goes_on_to_the_same_bytes(
    files, tmp_path, small_chunks, monkeypatch
):
    """Stops before each of the store's writes in turn, then runs again; checks all files' bytes."""
    bc.ingest_files(files, out=tmp_path / "whole.zarr")
    whole = digests(tmp_path / "whole.zarr")
    write, left, seen = local_store._put, [0], set()

    def put(path, value, exclusive=False):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return write(path, value, exclusive)

    monkeypatch.setattr(local_store, "_put", put)
    for kill_at in range(0, 400, 5):
        out = tmp_path / f"{kill_at}.zarr"
        left[0] = kill_at
        try:
            bc.ingest_files(files, out=out)
        except Killed:
            sync(_writes_in_flight())  # a real kill ends them too
            left[0] = -1
            if out.exists():
                opened = bc.Spectra.open(out)
                assert np.isfinite(opened.flux).all()
                seen.add(len(opened))
            again = bc.ingest_files(files, out=out)
            assert len(again.quarantine) == 3
            assert digests(out) == whole, kill_at
        else:
            break
    assert seen >= {0, 4, 8}
    assert kill_at > 60


def test_workers_write_the_same_bytes_and_leave_warnings_as_they_were(
    files, tmp_path, small_chunks
):
    bc.ingest_files(files, out=tmp_path / "1.zarr")
    before = list(warnings.filters)
    for workers in (2, 4):
        bc.ingest_files(files, out=tmp_path / f"{workers}.zarr", workers=workers)
    assert digests(tmp_path / "1.zarr") == digests(tmp_path / "2.zarr")
    assert digests(tmp_path / "1.zarr") == digests(tmp_path / "4.zarr")
    assert warnings.filters == before


def test_new_files_are_appended_and_known_ones_are_not_read_again(files, tmp_path, monkeypatch):
    out = tmp_path / "a.zarr"
    bc.ingest_files(files[:4], out=out)
    before = bc.Spectra.open(out)[:].flux
    read = []

    def reader(path, *rest):
        read.append(path)
        return read_spectrum(path, *rest)

    monkeypatch.setattr(block, "read_spectrum", reader)

    both = bc.ingest_files(files, out=out)
    assert set(files[:4]) & set(read) == {p for p in files[:4] if "empty" in p.name}
    assert len(both.spectra) == 10
    np.testing.assert_array_equal(both.spectra.flux[: len(before)], before)


def test_stores_of_many_stars_open(tmp_path):
    """np.unique of hundreds of numpy's variable-length strings was a segmentation fault."""
    n = 600
    grown = store.GrowingStore(tmp_path / "a.zarr", PIXELS)
    words = {
        name: np.array([f"{name}-{k}-" + "x" * 30 for k in range(n)], object)
        for name in ("star_id", "source", "checksum")
    }
    numbers = {"snr": np.ones(n), "star_flags": np.zeros(n, int), "bad_star": np.zeros(n, bool)}
    blank = np.ones((n, 7214), np.float32)
    numbers |= {name: np.zeros(n, kind) for name, kind in block.ABOUT.items()}
    grown.append(blank, blank, {**words, **numbers, "continuum": np.ones((n, 9))})
    assert list(bc.Spectra.open(tmp_path / "a.zarr").star_id) == list(words["star_id"])


def test_what_cannot_be_gone_on_with_is_refused(files, tmp_path):
    out = tmp_path / "a.zarr"
    bc.ingest_files(files[:2], out=out)
    other = bc.Recipe.loads('name="x"\n[labels]\nnames=["teff"]\n[pixels]\ngrid=7514\n').pixels
    with pytest.raises(bc.UserError, match=r"other \[pixels\] settings"):
        bc.ingest_files(files, other, out=out)
    bc.Spectra([1.0, 2.0], [1.0, 1.0], [1.0, 1.0], "a").save(tmp_path / "b.zarr")
    for path, match in ((tmp_path / "b.zarr", "no store that `ingest` made"), (tmp_path, "no sp")):
        with pytest.raises(bc.UserError, match=match):
            bc.ingest_files(files, out=path)
    assert len(bc.Spectra.open(tmp_path / "b.zarr")) == 1
    with pytest.raises(bc.UserError, match="no file was given"):
        bc.ingest_files([])
    bad = [f for f in files if "empty" in f.name or "cut" in f.name]
    with pytest.raises(bc.UserError, match="none of 2 files"):
        bc.ingest_files(bad, out=tmp_path / "c.zarr")
    with pytest.raises(bc.UserError, match="empty"):
        bc.ingest_files(bad[:1])
    for name, match in (("nothing", "neither a file nor"), (str(files[0]), "not a list")):
        text = f'name="x"\n[labels]\nnames=["teff"]\n[pixels]\ncontinuum="{name}"\n'
        with pytest.raises(bc.UserError, match=match):
            bc.ingest_files(files, bc.Recipe.loads(text).pixels)


def test_stars_with_bad_flags_are_marked(tmp_path):
    for k, flags in enumerate((0, 1 << 4, 1 << 9)):
        with fits.open(io.BytesIO(ap_star(k))) as hdus:
            hdus[0].header["STARFLAG"], hdus[0].header["SNR"] = flags, 80.5 + k
            hdus.writeto(tmp_path / f"apStar-{k}.fits")
    columns = bc.ingest_files(expand([tmp_path])).spectra.columns
    assert list(columns["star_flags"]) == [0, 16, 512]
    assert list(columns["bad_star"]) == [False, True, False]
    np.testing.assert_array_equal(columns["snr"], [80.5, 81.5, 82.5])


def test_headers_say_where_a_star_is_and_how_it_moves(giants):
    known = giants.columns
    np.testing.assert_array_equal(known["ra"], [0.208093, 263.478474])
    np.testing.assert_array_equal(known["dec"], [16.365355, -27.884539])
    assert known["field"].tolist() == ["105-45", "000+02"]
    assert known["telescope"].tolist() == ["apo25m", ""]  # the header of DR17 has none
    np.testing.assert_allclose(known["rv"], [0.0148631, 15.6814105], rtol=1e-6)


def test_real_giants_near_aspcap_or_flagged(four_label, giants):
    """The DR12 star within 60 K, 0.2, 0.06, 0.06 of ASPCAP; the cool DR17 star flagged."""
    post = bc.infer(four_label, giants, method="laplace", draws=100)
    mean = post["point"]["mean"].values
    assert (np.abs(mean[0] - [4705, 2.58, 0.10, 0.05]) < [60, 0.2, 0.06, 0.06]).all()
    flags = post["sample_stats"]["flags"].values
    assert flags[0] == 0
    assert bc.flags.Flag.OUTSIDE_TRAINING in bc.flags.Flag(int(flags[1]))


# --- damaged files -------------------------------------------------------------------------------

N_FUZZ = 500


def _damaged(rng: np.random.Generator, good: bytes) -> bytes:
    """Damage a file in one of ten ways."""
    raw = bytearray(good)
    how = rng.integers(10)
    if how == 0:  # truncated anywhere, zero length included
        return bytes(raw[: int(rng.integers(0, len(raw)) * rng.choice([0, 0.1, 1]))])
    if how == 1:  # bits flipped in the headers
        for _ in range(rng.integers(1, 40)):
            raw[rng.integers(0, 12000)] = rng.integers(0, 256)
        return bytes(raw)
    if how == 2:  # a block of noise
        start = rng.integers(0, len(raw) - 3000)
        raw[start : start + 2880] = rng.bytes(2880)
        return bytes(raw)
    if how == 3:  # a header value changed to nonsense
        key = rng.choice(["NAXIS1", "BITPIX", "CRVAL1", "CDELT1", "NAXIS  ", "PCOUNT", "CRPIX1"])
        word = rng.choice(["-7", "1E30", "NaN", "'text'", "0", "99999999999", "T"])
        return bytes(raw.replace(f"{key:8}=".encode(), f"{key:8}= {word} /".encode()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(good)) as hdus:
            return _bad_content(rng, hdus, how)


def _bad_content(rng: np.random.Generator, hdus: fits.HDUList, how: int) -> bytes:
    images = [np.array(hdus[k].data) for k in (1, 2, 3)]
    spoilt = rng.integers(0, 8575, rng.integers(1, 8575))
    if how == 4:
        images[rng.integers(2)][spoilt] = rng.choice([np.nan, np.inf, -np.inf])
    elif how == 5:
        images[1][spoilt] = rng.choice([-1.0, 0.0, 1e-30, 1e30])
    elif how == 6:
        images[rng.integers(3)] = rng.choice(["a", "b"], 8575).astype("S1").view(np.uint8)[:, None]
    elif how == 7:
        images = images[: rng.integers(3)]
    elif how == 8:
        images[rng.integers(3)] = images[0][: rng.integers(0, 8575)]
    else:
        images[0][:] = rng.choice([0.0, -5.0, 1e30])
    made = [fits.PrimaryHDU(header=hdus[0].header), *(fits.ImageHDU(image) for image in images)]
    for hdu in made[1:]:
        hdu.header["CRVAL1"], hdu.header["CDELT1"] = 4.179, 6e-6
    out = io.BytesIO()
    fits.HDUList(made).writeto(out)
    return out.getvalue()


def test_five_hundred_damaged_files_change_no_other_star(tmp_path):
    """Seed 16: each is read or set aside with a reason; three good stars stay as they are alone."""
    rng = np.random.default_rng(16)
    good = [tmp_path / f"apStar-good{k}.fits" for k in range(3)]
    for k, path in enumerate(good):
        path.write_bytes(ap_star(1000 + k, rows=1 + 3 * (k == 1)))
    alone = [bc.ingest_files([path]).spectra for path in good]
    raw = ap_star(7)
    bad = []
    for k in range(N_FUZZ):
        bad.append(tmp_path / f"apStar-{k:03d}.fits")
        bad[-1].write_bytes(_damaged(rng, raw))
    paths = [good[0], *bad[:250], good[1], *bad[250:], good[2]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = bc.ingest_files(paths, out=tmp_path / "a.zarr")
    sources = list(both.spectra.columns["source"])
    aside = list(both.quarantine["file"])
    assert sorted(sources + aside) == sorted(map(str, paths))
    assert all(len(reason) > 20 and "\n" not in reason for reason in both.quarantine["reason"])
    assert 150 < len(aside) < 450  # both ends happen
    flux, ivar = both.spectra.arrays()
    assert np.isfinite(flux).all()
    assert np.isfinite(ivar).all()
    assert (ivar >= 0).all()
    for path, one in zip(good, alone, strict=True):
        row = sources.index(str(path))
        np.testing.assert_allclose(flux[row], one.flux[0], rtol=3e-7)
        np.testing.assert_allclose(ivar[row], one.ivar[0], rtol=3e-7)


# --- which files -----------------------------------------------------------------------------


def test_folders_globs_and_lists_stand_for_files(tmp_path):
    for name in ("a/x.fits", "a/b/y.fits.gz", "a/b/z.txt.bak", "c.fits"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    here = [tmp_path / n for n in ("a/b/y.fits.gz", "a/x.fits", "c.fits")]
    assert expand([tmp_path]) == here
    assert expand([tmp_path / "a", here[0]]) == here[:2]
    assert expand([tmp_path / "*.fits"]) == here[2:]
    assert expand([tmp_path / "**" / "*.fits*"]) == here
    listed = tmp_path / "stars.txt"
    listed.write_text("# mine\nc.fits  # one\n\na/*.fits\nnot-there.fits\n")
    assert expand([listed]) == [here[2], here[1], tmp_path / "not-there.fits"]
    assert expand([DATA.parent / "nothing.fits"]) == [DATA.parent / "nothing.fits"]
    listed.write_text("# nothing\n")
    (tmp_path / "empty").mkdir()
    for given, why in (
        (listed, "names no file"),
        (tmp_path / "empty", "in this folder"),
        (tmp_path / "*.fit", "fits this pattern"),
        (tmp_path / "no.lst", "cannot be read"),
    ):
        with pytest.raises(bc.UserError, match=why) as caught:
            expand([given])
        assert str(given) in str(caught.value)


def test_visits_are_rows_of_their_star(tmp_path, monkeypatch):
    """Of files with 70 and 1 visits: X, X#2, ...; each as if its row were a file of its own."""
    monkeypatch.setattr(block, "FILES_PER_BLOCK", 64)
    for seed, rows in ((1, 72), (2, 1)):
        (tmp_path / f"apStar-{seed}.fits").write_bytes(ap_star(seed, rows))
    files = sorted(tmp_path.iterdir())
    made = bc.ingest_files(files, PIXELS, visits=True, out=tmp_path / "visits.zarr").spectra
    names = ["2M00000001+0000000", *(f"2M00000001+0000000#{k}" for k in range(2, 71))]
    assert made.star_id.tolist() == [*names, "2M00000002+0000000"]
    with fits.open(files[0]) as hdus:
        for hdu in hdus[1:4]:
            hdu.data = hdu.data[70]
        hdus.writeto(tmp_path / "one.fits")
    alone = bc.ingest_files([tmp_path / "one.fits"], PIXELS).spectra
    np.testing.assert_allclose(made.flux[68], alone.flux[0], rtol=1e-6)
    assert bc.ingest_files(files, PIXELS).spectra.star_id.tolist() == [
        names[0],
        "2M00000002+0000000",
    ]
    with pytest.raises(bc.UserError, match="exists"):
        bc.ingest_files(files, PIXELS, visits=True, out=tmp_path / "visits.zarr")
