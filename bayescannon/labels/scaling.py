"""Pivots and scales: labels of order one, learned from the training set and kept with the model."""

from typing import NamedTuple

import numpy as np


class Scaling(NamedTuple):
    """Affine map between labels and scaled labels, both (label,)."""

    pivot: np.ndarray
    scale: np.ndarray

    def to_scaled(self, labels):
        """(label - pivot) / scale, for (..., label)."""
        return (labels - self.pivot) / self.scale

    def to_labels(self, scaled):
        """Inverse of `to_scaled`."""
        return scaled * self.scale + self.pivot


def learn_scaling(labels: np.ndarray) -> Scaling:
    """Take mean and standard deviation of training labels (star, label); NaN is ignored."""
    return Scaling(np.nanmean(labels, axis=0), np.nanstd(labels, axis=0))
