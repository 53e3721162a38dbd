"""The other side of `cannon_400x100.py`: the same folds by TheCannon, run in its own environment.

TheCannon 0.7.3 is not patched. What had to be known to call it:

- it declares no dependency: numpy, scipy, matplotlib and astropy are installed beside it;
- `infer_labels` returns errors of the scaled labels: they are multiplied by `model.scales`;
- it changes the flux of pixels with ivar 0 in place: it gets copies.
"""

import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
from TheCannon.dataset import Dataset  # noqa: E402
from TheCannon.model import CannonModel  # noqa: E402


def main(given: str, out: str) -> None:
    """Read flux, ivar, labels and fold; write mean and sd, (star, label)."""
    with np.load(given) as stored:
        flux, ivar, labels, fold = (stored[k] for k in ("flux", "ivar", "labels", "fold"))
    mean, sd = np.full((2, *labels.shape), np.nan)
    names = np.arange(len(flux)).astype(str)
    for k in np.unique(fold):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        data = Dataset(
            np.arange(flux.shape[1]),
            names[train],
            flux[train].copy(),
            ivar[train].copy(),
            labels[train].copy(),
            names[test],
            flux[test].copy(),
            ivar[test].copy(),
        )
        data.set_label_names(["teff", "logg", "mh"])
        model = CannonModel(2, useErrors=False)
        model.train(data)
        errors, _ = model.infer_labels(data)
        mean[test], sd[test] = data.test_label_vals, errors * model.scales
    np.savez(out, mean=mean, sd=sd)


if __name__ == "__main__":
    main(*sys.argv[1:])
