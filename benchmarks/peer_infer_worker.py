"""Runs in TheCannon's own environment: point estimates of all stars in a file, timed."""

import contextlib
import io
import json
import sys
import time

import numpy as np
from TheCannon import model as the_cannon


class Stars:
    """What the test step asks of TheCannon's Dataset, without its plots and its continuum."""

    def __init__(self, flux, ivar, n_label):
        self.test_flux, self.test_ivar, self.n_label = flux, ivar, n_label

    def get_plotting_labels(self):
        return ["label"] * self.n_label

    def set_test_label_vals(self, values):
        self.test_label_vals = values


arrays = np.load(sys.argv[1])
peer = the_cannon.CannonModel(2, useErrors=False)
peer.coeffs, peer.scatters = arrays["coefficients"], arrays["scatter"]
peer.pivots, peer.scales = arrays["pivot"], arrays["scale"]
stars = Stars(arrays["flux"].copy(), arrays["ivar"], len(peer.pivots))
wall, cpu = time.perf_counter(), time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    peer.infer_labels(stars)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
n = len(arrays["flux"])
failed = int((stars.test_label_vals < -9000).any(axis=1).sum())
print(json.dumps({"wall": wall / n, "cpu": cpu / n, "stars": n, "failed": failed}))
