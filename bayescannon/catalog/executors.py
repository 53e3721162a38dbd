"""Who works on the blocks: threads of this process, or a Dask cluster that runs."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from bayescannon.batches import in_order
from bayescannon.errors import UserError
from bayescannon.precision import use_compilation_cache

Work = Callable[[int], Any]
Executor = Callable[[Work, Sequence[int]], Iterator[Any]]
"""Takes what makes a block, and the blocks to make; gives their results as they come."""
PATIENCE = 10
"""Seconds in which a scheduler must answer."""


@contextmanager
def in_threads_here(workers: int) -> Generator[Executor]:
    """Work on so many blocks at a time, and on one more whose ages are made and stored meanwhile.

    Threads, not processes: JAX, NumPy and Zarr leave Python's lock while they work, and threads
    start at once, share compiled programs and memory, and need no `__main__` guard.
    """
    with ThreadPoolExecutor(workers + 1) as pool:
        yield lambda work, blocks: in_order(pool, work, blocks, workers + 1)


@contextmanager
def on_cluster(address: str) -> Generator[Executor]:
    """Work on a Dask cluster that already runs; all its machines must see the output folder.

    Raises
    ------
    UserError
        If dask.distributed is missing, no scheduler answers, or a block's workers keep dying.
    """
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise UserError("--scheduler needs dask: pip install 'bayescannon[cluster]'") from error
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address} ({error})") from error
    with client:
        yield lambda work, blocks: _map(client, work, blocks)


def _map(client, work: Work, blocks: Sequence[int]) -> Iterator[Any]:
    from dask.distributed import KilledWorker, as_completed

    everywhere = _scattered(client, work)
    # a worker that dies is replaced by another; a block may be made twice, to the same bytes
    futures = client.map(_do_given, list(blocks), work=everywhere, pure=False, retries=3)
    try:
        for future in as_completed(futures):
            yield future.result()
            future.release()
    except KilledWorker as error:
        raise UserError(
            "a block lost its Dask worker again and again (out of memory?); what is done is "
            "kept: run the same command again"
        ) from error


def _scattered(client, work: Work):
    """Give `work` to all workers; one that dies meanwhile is replaced."""
    for left in range(PATIENCE, 0, -1):
        try:
            return client.scatter(work, broadcast=True, hash=False)
        except (OSError, KeyError):  # KeyError: the scheduler forgot it while copies were made
            if left == 1:
                raise
            time.sleep(1)


def _do_given(k: int, work: Work) -> Any:
    use_compilation_cache()
    return work(k)
