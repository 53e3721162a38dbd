"""Flags, keys of random numbers, and writing beside."""

import threading
import time
from contextlib import suppress

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescannon.files import write_beside
from bayescannon.flags import MEANING, WARNINGS, Flag, Tally, combine, explain, good
from bayescannon.keys import star_generator, star_keys

# --- flags -------------------------------------------------------------------------------------


def test_every_flag_has_a_meaning_and_a_bit_of_its_own():
    assert set(MEANING) == set(Flag)
    assert sum(MEANING) == 2 ** len(Flag) - 1
    assert len(set(MEANING.values())) == len(Flag)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.sets(st.sampled_from(list(Flag))))
def test_flags_add_up_and_explain_themselves(raised):
    where = {flag: np.array([flag in raised, False]) for flag in Flag}
    value, nothing = combine(where)
    assert nothing == 0
    assert Flag(int(value)) == sum(raised)
    lines = explain(int(value))
    assert [line.split(":")[0] for line in lines] == [f.name for f in MEANING if f in raised]
    assert explain(0) == []


def test_good_stars_have_no_bit_but_warnings_and_one_line_counts_them_all():
    column = np.array(
        [0, Flag.SEVERAL_MODES, WARNINGS, Flag.BAD_CHI2, Flag.BAD_CHI2 | Flag.LOW_ESS]
    )
    assert good(column).tolist() == [True, True, True, False, False]
    assert Tally.of(column) == (5, 4, 2)
    assert str(Tally.of(column)) == "5 stars: 1 without a flag, 2 with warnings, 2 bad"
    assert str(Tally.of(column[:1])).startswith("1 star:")


def test_values_that_are_no_flags_are_refused():
    for bad in (-1, 2 ** len(Flag), 1 << 40):
        with pytest.raises(ValueError, match="not a value of the flags column"):
            explain(bad)


# --- keys --------------------------------------------------------------------------------------


def test_a_key_is_of_the_seed_and_the_name():
    names = np.array([f"star-{i}" for i in range(500)])
    data = np.asarray(jax.random.key_data(star_keys(0, names)))
    assert len(np.unique(data, axis=0)) == 500
    np.testing.assert_array_equal(jax.random.key_data(star_keys(0, names[::-1])), data[::-1])
    other = np.asarray(jax.random.key_data(star_keys(1, names)))
    assert (other != data).any(axis=1).all()


def test_generators_are_of_the_seed_and_the_name():
    def draws(*of):
        return star_generator(*of).normal(size=3)

    np.testing.assert_array_equal(draws(0, "a"), draws(0, "a"))
    assert (draws(0, "a") != draws(0, "b")).all()
    assert (draws(0, "a") != draws(1, "a")).all()


# --- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["nothing", "a file", "a folder"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_was_written_takes_the_place_of_what_was_there(tmp_path, before, kind):
    target = _prepare(tmp_path, before)
    with write_beside(target) as beside:
        assert beside.parent == target.parent
        assert beside.suffix == target.suffix
        _fill(beside, kind)
        assert _old(target) == before
    assert (target if kind == "file" else target / "part").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("before", ["nothing", "a file", "a folder"])
@pytest.mark.parametrize("kind", ["file", "folder", "none"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_half_written_stays_when_the_block_raises(tmp_path, before, kind, error):
    target = _prepare(tmp_path, before)

    def write():
        with write_beside(target) as beside:
            _fill(beside, kind)
            raise error

    with pytest.raises(error):
        write()
    assert _old(target) == before
    assert len(list(tmp_path.iterdir())) == (before != "nothing")


def test_parent_folders_are_made(tmp_path):
    with write_beside(tmp_path / "a" / "b" / "c.txt") as beside:
        beside.write_text("new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"


def _prepare(tmp_path, before):
    target = tmp_path / "target.out"
    if before == "a file":
        target.write_text("old")
    elif before == "a folder":
        _fill(target, "folder", "old")
    return target


def _fill(path, kind, text="new"):
    if kind == "folder":
        path.mkdir()
        (path / "part").write_text(text)
    elif kind == "file":
        path.write_text(text)


def _old(target):
    if target.is_dir():
        assert (target / "part").read_text() == "old"
        return "a folder"
    return "a file" if target.is_file() and target.read_text() == "old" else "nothing"


def test_what_threads_still_write_to_is_removed_all_the_same(tmp_path):
    """Zarr's threads go on for a moment when one of them has failed."""

    def write_on(folder):
        for k in range(100):
            folder.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):
                (folder / f"chunk-{k}").write_bytes(b"x")
            time.sleep(0.002)

    def fails():
        with write_beside(tmp_path / "a.zarr") as beside:
            writers.append(threading.Thread(target=write_on, args=(beside,)))
            writers[0].start()
            while not beside.exists():
                time.sleep(0.001)
            raise ZeroDivisionError

    writers = []
    with pytest.raises(ZeroDivisionError):
        fails()
    writers[0].join()
