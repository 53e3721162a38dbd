"""One writer at a time, on file systems with and without locks."""

import errno
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import SoftFileLock, Timeout

from bayescannon.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, 524}
"""What file systems without locks answer; 524 is the ENOTSUPP of Linux, which has no name here."""


@contextmanager
def hold(lock: Path, what: Path) -> Generator[None]:
    """Keep other runs out while the block works.

    The system frees the lock of a process that dies. Where the file system has no locks, the file
    itself is the lock: it holds machine and process, so that one left by a dead process of this
    machine does not count.

    Parameters
    ----------
    lock : Path
        File to lock, removed at the end. Its folder must exist.
    what : Path
        What is protected, for the message.

    Raises
    ------
    UserError
        If another run holds it.
    """
    busy = f"{what}: another run is writing here; wait for it, or choose another output"
    try:
        held = _flock(lock)
    except BlockingIOError as error:
        raise UserError(busy) from error
    if held is not None:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # before it is let go: who opened it meanwhile looks again
            os.close(held)
        return
    soft = SoftFileLock(lock.with_name(f"{lock.name}-file"))
    try:
        soft.acquire(blocking=False)
    except Timeout as error:
        raise UserError(f"{busy}; if none runs on any machine, remove {soft.lock_file}") from error
    try:
        yield
    finally:
        soft.release()


def _flock(lock: Path) -> int | None:
    """Lock a file; None where the file system, or the system, has no locks."""
    while fcntl is not None:
        held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(lock), os.fstat(held)):
                    return held
        except OSError as error:
            os.close(held)
            if error.errno not in UNSUPPORTED:
                raise
            lock.unlink(missing_ok=True)
            reason = error.strerror if error.errno != 524 else "Operation not supported"
            warnings.warn(
                f"the file system has no locks ({reason}): lock files are used instead",
                stacklevel=3,
            )
            return None
        os.close(held)  # it was removed between the two calls
    return None
