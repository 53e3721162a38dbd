"""Processes that work beside this one."""

import os

import pytest

from bayescannon import workers


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_a_thread_that_ends_while_it_is_listed_stops_nobody(monkeypatch):
    # Regression: a worker died of ProcessLookupError when a thread of JAX's had just ended.
    listed, cores, no_thread = os.listdir, os.sched_getaffinity(0), 2**22 + 1
    monkeypatch.setattr(os, "listdir", lambda path: [str(no_thread), *listed(path)])
    workers._compute_in_one_thread()
    assert os.sched_getaffinity(0) == cores
