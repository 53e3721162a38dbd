"""Processes that work beside this one."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any

from threadpoolctl import threadpool_limits

from .precision import use_compilation_cache


def worker_pool(
    workers: int, begin: Callable[..., None] | None = None, *args: Any
) -> ProcessPoolExecutor:
    """Make a pool of processes, each on one thread and a core of its own.

    Parameters
    ----------
    workers : int
        How many; where there are more than cores, some share one.
    begin : callable, optional
        Called in each process with `args` before anything else is asked of it.
    """
    context = multiprocessing.get_context("spawn")  # fork is not safe beside JAX's threads
    turn = context.Value("i", 0)
    return ProcessPoolExecutor(workers, context, _begin, (turn, begin, args))


def _begin(turn, begin: Callable[..., None] | None, args: tuple) -> None:
    _leave_with_parent()
    threadpool_limits(1, "blas")
    use_compilation_cache()
    if hasattr(os, "sched_setaffinity"):  # before JAX counts the cores
        cores = sorted(os.sched_getaffinity(0))
        with turn.get_lock():
            core, turn.value = cores[turn.value % len(cores)], turn.value + 1
        os.sched_setaffinity(0, {core})
    if begin is not None:
        begin(*args)


def _leave_with_parent() -> None:
    """End this process when its parent has: a killed one cannot say goodbye."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
