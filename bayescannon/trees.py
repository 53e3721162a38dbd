"""Reading arrays out of an `xarray.DataTree`."""

import numpy as np
import xarray as xr


def array(tree: xr.DataTree, path: str) -> np.ndarray:
    """Load one variable, such as `point/mean`, as a NumPy array."""
    found = tree[path]
    if isinstance(found, xr.DataTree):
        raise KeyError(f"{path} is a group, not a variable")
    return np.asarray(found.values)


def point_sd(post: xr.DataTree) -> np.ndarray:
    """Standard deviation of every label from `point/cov`, (star, label)."""
    return np.sqrt(np.einsum("sii->si", array(post, "point/cov")))


def release(*trees: xr.DataTree) -> None:
    """Take trees that are done with apart, so that their arrays are freed at once.

    Parents and children hold each other: without this they wait for the garbage collector, which
    counts objects, not bytes.
    """
    for tree in trees:
        for node in list(tree.children.values()):
            node.orphan()
