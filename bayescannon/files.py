"""The one writer of outputs: checked and locked before the work, renamed into place after it."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bayescannon.errors import UserError, one_line
from bayescannon.locks import hold
from bayescannon.marks import Kind, foreign, is_ours, put_mark

PATIENCE = 40
"""How often it is tried to remove a folder."""
LOCK = ".lock"
LEFT = re.compile(r"\.(partial|old)-[0-9a-f]+-(.*)|.*\.partial", re.DOTALL)
"""Names of what a killed process left half written, the last of them by Zarr."""
OF_FILES = (
    "asdf csv dat ecsv fit fits gz h5 hdf5 html jpg json lst md mrt nc npy npz parquet pdf pkl png "
    "svg tar tex toml tsv txt vot votable xls xlsx xml zip"
)
"""Suffixes that mean a file: no folder is made under such a name."""


@contextmanager
def output(target: str | os.PathLike, kind: Kind, overwrite: bool = False) -> Generator[Path]:
    """Give a path to write a result to, and move it to `target` when the block succeeds.

    What can be refused is refused when the block begins, so the work belongs inside it. No other
    run can write the same output meanwhile. If the block raises, what was written is removed and
    `target` stays as it was; so it does when the process is killed, and the next run clears up.

    Parameters
    ----------
    target : path
        Where the result belongs. A link is followed; the parent folder is made when missing.
    kind : Kind
        What is written; folders and Zarr stores are marked with it.
    overwrite : bool
        Replace an output of the same kind. Nothing else is ever replaced.

    Yields
    ------
    pathlib.Path
        A path in the same folder, with the same suffix (writers choose the format by it).

    Raises
    ------
    UserError
        If something is there that may not be replaced, if another run writes the same output, or
        if the system refuses to write (no space, no permission).
    """
    advice = "nothing was replaced: mend that and run the same command again"
    with _held(target, kind, overwrite, advice) as path, write_beside(path) as beside:
        yield beside
        put_mark(beside, kind)


@contextmanager
def growing(target: str | os.PathLike, kind: Kind) -> Generator[Path]:
    """Hold a store that is appended to, made by the block when it is missing.

    Yields
    ------
    pathlib.Path
        The path behind the links of `target`.

    Raises
    ------
    UserError
        As `output`, for what is not of this kind.
    """
    advice = "what is stored is kept: mend that and run the same command again"
    with _held(target, kind, True, advice) as path:
        yield path


def check_output(target: str | os.PathLike, kind: Kind, overwrite: bool = False) -> Path:
    """Refuse an output that cannot be written, before any work; give the path behind its links.

    Raises
    ------
    UserError
        As `output`.
    """
    path = resolved(target)
    _check_suffix(path, kind)
    with one_line(path, "choose another output"):
        _check_parent(path)
        if not os.path.lexists(path):
            return path
        is_file = bool(kind.suffixes)
        if path.is_dir() == is_file:
            wanted = "a file" if is_file else "a folder"
            raise UserError(f"{path}: exists, and is not {wanted}; choose another output")
        if not is_file and (Path.cwd().is_relative_to(path) or path.is_mount()):
            raise UserError(f"{path}: cannot be replaced while it is in use; name a folder in it")
        if not is_file and not any(path.iterdir()):
            return path
        if not is_ours(path, kind):
            raise UserError(
                f"{path}: exists, and is no {kind.name} that bayescannon wrote, which replaces "
                "nothing else; choose another output"
            )
        if not overwrite:
            raise UserError(
                f"{path}: exists; choose another output, or replace it with --overwrite "
                "(overwrite=True)"
            )
        if others := foreign(path):
            raise UserError(
                f"{path}: holds {others[0]}, which was not written with it; move that away first"
            )
    return path


@contextmanager
def work_in(folder: str | os.PathLike, kind: Kind, own_mark: str | None = None) -> Generator[Path]:
    """Hold a folder that is filled step by step, and that a later run goes on with.

    Parameters
    ----------
    folder : path
        Made when missing. A link is followed.
    kind : Kind
        What the folder is marked with.
    own_mark : str, optional
        A file that the run itself writes first, which then is the mark of its folder.

    Yields
    ------
    pathlib.Path
        The folder, without what killed processes left half written.

    Raises
    ------
    UserError
        If the folder holds something else, another run works in it, or the system refuses to
        write; what is done is kept.
    """
    folder = resolved(folder)
    with one_line(folder, "what is done is kept: mend that and run the same command again"):
        _check_parent(folder / LOCK)
        if not folder.is_dir():
            _check_suffix(folder, Kind("folder"))
        marked = (folder / own_mark).is_file() if own_mark else is_ours(folder, kind)
        if folder.is_dir() and not marked and not all(map(_is_left, folder.iterdir())):
            raise UserError(f"{folder}: exists, and is no {kind.name}; choose another output")
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder / LOCK, folder):
            sweep(folder)
            if own_mark is None:
                put_mark(folder, kind)
            yield folder


@contextmanager
def write_beside(target: str | os.PathLike) -> Generator[Path]:
    """Give a sibling path to write to, and move it to `target` when the block succeeds.

    For what lies inside a folder that this run holds; `output` checks and locks first. A reader
    never meets half a file. If the block raises, `target` stays as it was.

    Parameters
    ----------
    target : path
        File or folder, replaced when it exists. Its parent folder is made when missing.

    Yields
    ------
    pathlib.Path
        A path in the same folder, with the same suffix (writers choose the format by it).
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    beside = target.with_name(f".partial-{token}-{target.name}")
    try:
        yield beside
        if target.is_dir() or (target.exists() and beside.is_dir()):
            # no folder can be replaced in one step, nor a file by a folder
            old = target.with_name(f".old-{token}-{target.name}")
            target.rename(old)
            beside.rename(target)
            remove(old)
        else:
            beside.replace(target)
    finally:
        remove(beside)


def check_space(folder: str | os.PathLike, needed: int) -> None:
    """Refuse work whose output, so many bytes at least, does not fit on the disk.

    Raises
    ------
    UserError
        It says how much is needed, and how much there is.
    """
    path = resolved(folder)
    there = next(up for up in (path, *path.parents) if up.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise UserError(
            f"{path}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; make "
            "space, choose another output, or store fewer draws"
        )


def resolved(target: str | os.PathLike) -> Path:
    """Follow links, those that dangle too, and `~`."""
    return Path(os.path.realpath(os.path.expanduser(target)))


def means_file(path: Path) -> bool:
    """Whether a name that does not exist yet means a file, not a folder."""
    return path.suffix.lower()[1:] in OF_FILES.split()


def sweep(folder: Path) -> None:
    """Remove what processes that were killed left half written, at any depth."""
    for left in [*folder.rglob("*")]:
        if LEFT.fullmatch(left.name):
            remove(left)


def remove(path: Path) -> None:
    """Remove a file or folder, even one to which threads of Zarr still write though one failed."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    for _ in range(PATIENCE):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.05)
    shutil.rmtree(path)  # says what is wrong


@contextmanager
def _held(target: str | os.PathLike, kind: Kind, overwrite: bool, advice: str) -> Generator[Path]:
    """Check an output and keep other runs from it; errors of the system become one line."""
    path = check_output(target, kind, overwrite)
    with one_line(path, advice):
        path.parent.mkdir(parents=True, exist_ok=True)
        with hold(path.with_name(f".{path.name}{LOCK}"), path):
            _clear_after_killed(path)
            check_output(path, kind, overwrite)
            yield path


def _is_left(path: Path) -> bool:
    return path.name.startswith(LOCK) or LEFT.fullmatch(path.name) is not None


def _clear_after_killed(path: Path) -> None:
    """Undo what a killed run had half done to this output; this run holds its lock."""
    for left in [*path.parent.iterdir()]:
        found = LEFT.fullmatch(left.name)
        if found and found[2] == path.name:
            if found[1] == "old" and not path.exists():
                left.rename(path)
            else:
                remove(left)


def _check_suffix(path: Path, kind: Kind) -> None:
    suffix = path.suffix.lower()
    if kind.suffixes and suffix not in kind.suffixes:
        known = ", ".join(filter(None, kind.suffixes))
        raise UserError(f"{path}: cannot write {suffix or 'no suffix'}; use one of {known}")
    if not kind.suffixes and means_file(path):
        raise UserError(f"{path}: a folder is written, not a {suffix} file; name it without suffix")


def _check_parent(path: Path) -> None:
    """Refuse a path below a file, or in a folder where nothing may be written."""
    parent = next((up for up in path.parents if os.path.lexists(up)), path)
    store = next((up for up in path.parents if (up / "zarr.json").exists()), None)
    if store is not None:
        raise UserError(f"{path}: lies inside the store {store}; choose another output")
    if not parent.is_dir():
        raise UserError(f"{path}: {parent} is not a folder; choose another output")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"{path}: no permission to write in {parent}; choose another output")
