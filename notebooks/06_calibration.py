# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     name: python3
#     display_name: Python 3
# ---

# %% [markdown]
# # What each picture of calibration can and cannot show
#
# A toy where the exact posterior is known: truth x ~ N(0, 1), seen as y = x + N(0, 1), so that the
# posterior is N(y / 2, 1 / 2). Nothing is better calibrated. `bayescannon calibrate --out DIR`
# draws the same pictures for stars (all of them semi-synthetic).
#
# The script also runs as it is: `python notebooks/06_calibration.py [FOLDER]` writes the figures
# to FOLDER (default: `figures`) and prints the numbers.

# %%
# %matplotlib inline
import sys
from pathlib import Path

import numpy as np

from bayescannon import calibration as cal
from bayescannon.plots.calibration import draw_pit
from bayescannon.plots.style import save
from studies.calibration.plots import draw_coverage_bins, draw_ecdf

arguments = [] if "ipykernel" in sys.modules else sys.argv[1:]
folder = Path(arguments[0] if arguments else "figures")
folder.mkdir(parents=True, exist_ok=True)

rng = np.random.default_rng(0)
n = 20_000
truth = rng.normal(size=n)
seen = truth + rng.normal(size=n)
noise = rng.normal(size=(199, n))
posteriors = {
    "exact": seen / 2 + np.sqrt(0.5) * noise,
    "too narrow": seen / 2 + 0.7 * np.sqrt(0.5) * noise,
    "biased": seen / 2 + 0.3 + np.sqrt(0.5) * noise,
    "climatology": noise.copy(),
}
names = list(posteriors)
pit = np.stack([cal.pit_of_draws(draws, truth) for draws in posteriors.values()], axis=1)

# %% [markdown]
# ## PIT and coverage
#
# A U is too narrow, a hump too wide, a slope biased. Look at the last panel: the prior itself,
# without any data, is perfectly calibrated. **A flat histogram shows that widths are right on
# average, never that anything was learned.**

# %%
figure = draw_pit(pit, names, note="toy")
save(figure, folder / "calibration_pit.png")
figure

# %% [markdown]
# ## ECDF
#
# The same numbers without bins; the band is simultaneous: a calibrated curve stays inside it in
# 99 of 100 cases. It sees small shifts of the whole better than the histogram, and lonely outliers
# not at all: look at the share beyond 5 sd for those.

# %%
figure = draw_ecdf(pit, names, note="toy")
save(figure, folder / "calibration_ecdf.png")
figure

# %% [markdown]
# ## Scores
#
# What calibration cannot see, a proper score does: climatology is calibrated and worse.

# %%
for name, draws in posteriors.items():
    crps, log = cal.crps(draws, truth).mean(), cal.log_score(draws, truth).mean()
    print(f"{name:<12} CRPS {crps:.3f}, log score {log:.3f}")

# %% [markdown]
# ## Bins: of what is seen, never of the truth
#
# In bins of the observed value the exact posterior holds 68 % everywhere. In bins of the TRUE value
# it fails: a star that is truly extreme was, to the observer, probably a common one that
# scattered, and the posterior says so. Coverage conditional on true age fails in the same way even
# for a perfect catalogue. A calibrated posterior promises something about all stars that look like
# this one, not about all stars that are like this one.

# %%
bins = {}
for word, by in (("observed", seen), ("true", truth)):
    found = cal.binned_coverage(pit[:, 0], by, 10)
    held = found.coverage[:, 1]
    print(f"bins of the {word} value: 68 % holds {held.min():.2f} to {held.max():.2f}")
    bins[word] = {
        "middle": found.middle.tolist(),
        "held68": held.tolist(),
        "n": found.count.tolist(),
    }
figure = draw_coverage_bins({"exact posterior": bins}, note="toy")
save(figure, folder / "calibration_bins.png")
figure

# %% [markdown]
# ## Values that err themselves
#
# Catalogue masses have errors of their own. Judged against them, a calibrated posterior of the true
# mass looks too narrow; convolved with the catalogue's error it does not. If that error is quoted
# too large, a posterior that is too narrow looks right: **this picture cannot tell the two apart**,
# and only sets of known truth can.

# %%
error = np.full(n, 0.5)
noisy = truth + error * rng.normal(size=n)
for word, draws in (
    ("as it is", posteriors["exact"]),
    ("convolved", cal.convolve(posteriors["exact"], error)),
    ("too narrow, error overstated", cal.convolve(posteriors["too narrow"], 1.41 * error)),
):
    held = cal.coverage(cal.pit_of_draws(draws, noisy), cal.LEVELS)
    print(f"{word:<30} 50, 68, 90, 95 % hold {np.round(100 * held, 1)}")

# %% [markdown]
# ## Recalibration
#
# A width, or a map of the PIT, fitted to half of the stars and judged on the other. Both make the
# average right. Neither knows which star is wrong: that is what flags are for.

# %%
half = np.arange(n) < n // 2
mapped = cal.recalibrate_pit(pit[~half, 1], cal.fit_pit_map(pit[half, 1]))
print("too narrow:", np.round(100 * cal.coverage(pit[~half, 1], cal.LEVELS), 1))
print("its PIT mapped:", np.round(100 * cal.coverage(mapped, cal.LEVELS), 1))
