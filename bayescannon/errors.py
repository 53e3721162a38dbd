"""What a user can mend: the errors that the command line prints as one line, and the warnings."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager


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
