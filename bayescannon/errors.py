"""What a user is told: errors and warnings, each in one line, and counts in words."""

import os
import re
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.RLock()


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the file, the star or the key and says what to do.
    The command line prints it and leaves with exit code 2.
    """


class DataWarning(UserWarning):
    """Something the user gave looks wrong, is named in one line, and is used all the same."""


def line_of(error: OSError, path: str | os.PathLike = "") -> str:
    """Say in one line what the system refused.

    Parameters
    ----------
    error : OSError
    path : path, optional
        What was worked on, for an error that names no file.
    """
    name = error.filename if isinstance(error.filename, str | os.PathLike) else path
    reason = " ".join(str(error.strerror or error).split())
    # the user knows the output, not the name under which it is written
    shown = re.sub(r"\.partial-[0-9a-f]+-", "", os.fspath(name))
    return f"{shown}: {reason}" if shown else reason


def reason(error: Exception) -> str:
    """Say in one line why something could not be read, in words that are not Python's.

    Parameters
    ----------
    error : Exception
        A KeyError or AttributeError becomes what is lacking.
    """
    if isinstance(error, OSError):
        return line_of(error)
    words = " ".join(str(error).split())
    if isinstance(error, KeyError | AttributeError):
        quoted = re.findall(r"['\"]([^'\"]+)['\"]", words)
        return f"it lacks {quoted[-1] if quoted else words}"
    return words or "it is cut short"


@contextmanager
def one_line(path: str | os.PathLike, advice: str) -> Generator[None]:
    """Turn what the system refuses (no space, no permission) into a `UserError` with advice.

    Parameters
    ----------
    path : path
        What is worked on.
    advice : str
        What is kept, and what to do.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{line_of(error, path)}; {advice}") from error


@contextmanager
def ignored(message: str = "", module: str = "") -> Generator[None]:
    """Ignore warnings whose message or module begins so.

    `warnings.catch_warnings` puts back the filters that it found: of two threads that enter and
    leave in turn, the last puts back those of the other. So only one thread at a time is let in.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message, module=module)
        yield


def plural(n: int, one: str, many: str = "") -> str:
    """Count things in words: `1 star`, `2 stars`; `many` is for words that take more than an s."""
    return f"{n} {one if n == 1 else many or one + 's'}"
