"""Silence for warnings that no user can act on, also where several threads read."""

import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def ignored(message: str = "", module: str = "") -> Generator[None]:
    """Ignore warnings whose message or module begins so.

    `warnings.catch_warnings` puts back the filters that it found: of two threads that enter and
    leave in turn, the last puts back those of the other. So only one thread at a time is let in.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message, module=module)
        yield
