"""Write beside, then rename: a reader never meets half a file."""

import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bayescannon.errors import UserError

try:
    import fcntl
except ImportError:  # not on Windows, where nothing holds a second run back
    fcntl = None

PATIENCE = 40
"""How often it is tried to remove a folder."""


@contextmanager
def write_beside(target: str | os.PathLike) -> Generator[Path]:
    """Give a sibling path to write to, and move it to `target` when the block succeeds.

    Works for a file and for a folder (a Zarr store, a model). If the block raises, what was
    written is removed and `target` stays as it was.

    Parameters
    ----------
    target : path
        Where the result belongs. Its parent folder is made when missing.

    Yields
    ------
    pathlib.Path
        A path in the same folder, with the same suffix (writers choose the format by it).
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".partial-{os.getpid()}-{target.name}")
    try:
        yield beside
        if target.is_dir() or (target.exists() and beside.is_dir()):
            # no folder can be replaced in one step, nor a file by a folder
            old = target.with_name(f".old-{os.getpid()}-{target.name}")
            target.rename(old)
            beside.rename(target)
            _remove(old)
        else:
            beside.replace(target)
    finally:
        _remove(beside)


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Hold a folder, made when missing, against other runs; the system frees it if this one dies.

    Raises
    ------
    UserError
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UserError(
            f"{folder}: another run works in this folder; wait for it, or choose another --out"
        ) from error
    finally:
        os.close(held)


def _remove(path: Path) -> None:
    """Remove a file or folder, even one to which threads of Zarr still write though one failed."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for _ in range(PATIENCE):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.05)
    shutil.rmtree(path)  # says what is wrong
