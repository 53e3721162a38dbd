"""Who works on the blocks: this process, processes beside it, or a Dask cluster that runs."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

from bayescannon.batches import in_order
from bayescannon.errors import UserError
from bayescannon.precision import use_compilation_cache
from bayescannon.workers import worker_pool

Work = Callable[[int], Any]
_work: list[Work] = []
AT_ONCE = 2


def run_here(work: Work, blocks: Sequence[int]) -> Iterator[Any]:
    """Work on two blocks at a time: while one is inferred, the other's ages are made and stored."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from in_order(pool, work, blocks, AT_ONCE)


def run_in_processes(work: Work, blocks: Sequence[int], workers: int) -> Iterator[Any]:
    """Work in processes of this machine, and here until they have started; results as they come.

    Raises
    ------
    UserError
        If a process dies.
    """
    left = iter(blocks)
    try:
        with worker_pool(workers, _keep, work) as (pool, ready):
            while not ready.done() and (k := next(left, None)) is not None:
                yield work(k)
            waiting = {pool.submit(_do, k) for k in islice(left, 2 * workers)}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    waiting |= {pool.submit(_do, k) for k in islice(left, 1)}
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process died (out of memory?); what is done is kept: run the same command "
            "again, with fewer --workers if memory is short"
        ) from error


def run_on_cluster(work: Work, blocks: Sequence[int], address: str) -> Iterator[Any]:
    """Work on a Dask cluster that already runs; all its machines must see the output folder.

    Raises
    ------
    UserError
        If dask.distributed is missing, no scheduler answers, or a block's workers keep dying.
    """
    try:
        from dask.distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        raise UserError("--scheduler needs dask: pip install 'bayescannon[cluster]'") from error
    try:
        client = Client(address)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address} ({error})") from error
    with client:
        everywhere = client.scatter(work, broadcast=True, hash=False)
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


def _do_given(k: int, work: Work) -> Any:
    use_compilation_cache()
    return work(k)


def _keep(work: Work) -> None:
    _work.append(work)


def _do(k: int) -> Any:
    return _work[0](k)
