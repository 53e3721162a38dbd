"""Processes that work beside this one."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import Any

import jax
from threadpoolctl import threadpool_limits

from bayescannon.precision import use_compilation_cache


@contextmanager
def worker_pool(
    workers: int, begin: Callable[..., None] | None = None, *args: Any
) -> Generator[tuple[ProcessPoolExecutor, Future]]:
    """Start processes, each of which computes in one thread; they end with the block.

    Parameters
    ----------
    workers : int
        How many.
    begin : callable, optional
        Called in each process with `args` before anything else is asked of it.

    Yields
    ------
    pool : ProcessPoolExecutor
    ready : Future
        Done when one of them is ready. Each imports this package first, which takes seconds: time
        in which the caller can work itself.
    """
    context = multiprocessing.get_context("spawn")  # fork is not safe beside JAX's threads
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _begin, (begin, args))
    ready, *_ = [pool.submit(os.getpid) for _ in range(workers)]  # each starts a process
    try:
        yield pool, ready
    finally:
        if not ready.done():  # nobody waits for them any more
            for process in {*multiprocessing.active_children()} - others:
                process.terminate()
        pool.shutdown(cancel_futures=True)


def _begin(begin: Callable[..., None] | None, args: tuple) -> None:
    _leave_with_parent()
    threadpool_limits(1, "blas")
    use_compilation_cache()
    _compute_in_one_thread()
    if begin is not None:
        begin(*args)


def _compute_in_one_thread() -> None:
    """Show JAX one core while it counts them; its threads may then run on any."""
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        jax.devices()
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):  # threads end while they are listed
                os.sched_setaffinity(int(thread), cores)


def _leave_with_parent() -> None:
    """End this process when its parent has: a killed one cannot say goodbye."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
