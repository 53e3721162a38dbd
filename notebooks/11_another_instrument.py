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
# # Another instrument
#
# Nothing in the package knows APOGEE alone. Here a model is trained on **real** optical spectra:
# 228 giants of the MILES library (3540 to 7400 Angstrom, resolution 2.5 Angstrom; here eight
# pixels in one). Their wavelengths are those of air, they have no photon errors and no continuum
# of one, and their labels come from many papers.
#
# The script also runs as it is: `python notebooks/11_another_instrument.py [FOLDER]` writes the
# figure to FOLDER (default: `figures`) and prints the numbers.

# %%
# %matplotlib inline
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.ndimage import gaussian_filter1d

import bayescannon as bc
from bayescannon.plots.labels import draw_one_to_one
from bayescannon.plots.style import save
from bayescannon.precision import use_compilation_cache

use_compilation_cache()
notebook = "ipykernel" in sys.modules
arguments = [] if notebook else sys.argv[1:]
folder = Path(arguments[0] if arguments else "figures")
folder.mkdir(parents=True, exist_ok=True)

here = Path.cwd() if notebook else Path(__file__).resolve()
data = next(p / "tests" / "data" for p in (here, *here.parents) if (p / "tests" / "data").is_dir())
with np.load(data / "miles_giants_228x537.npz") as stored:
    raw, air = stored["flux"].astype(float), stored["wavelength_air"]
    labels = {name: stored[name] for name in ("teff", "logg", "feh")}
    star_id = stored["name"]
print(f"{len(raw)} stars, {len(air)} pixels")

# %% [markdown]
# ## 1. A grid, a continuum, an error
#
# `Spectra` holds any grid, as long as all stars share it: one wavelength a pixel, in vacuum. The
# index of refraction of air is that of Ciddor (1996).
#
# Each spectrum is divided by a running mean. That is no true continuum, and it need not be one: it
# must only do the same to every star. Pixels at the ends, where the mean has one side only, go.
#
# Photon errors are not published. One per cent stands in; what spectra scatter more, training
# finds pixel by pixel.

# %%
wavenumber2 = (1e4 / air) ** 2
vacuum = air * (1 + 0.05792105 / (238.0185 - wavenumber2) + 0.00167917 / (57.362 - wavenumber2))
inside = slice(38, -38)
flux = (raw / gaussian_filter1d(raw, 7, axis=1))[:, inside]
spectra = bc.Spectra(vacuum[inside], flux, np.full(flux.shape, 1e4), star_id)

# %% [markdown]
# ## 2. Labels and their errors
#
# The errors are those that the library quotes (Cenarro et al. 2007). They are needed: a difference
# between catalogue and spectrum is an error of the one or of the other, and only the stated errors
# tell how much of it the catalogue takes.

# %%
recipe = bc.Recipe.loads("""
name = "miles"

[labels]
names = ["teff", "logg", "feh"]

[training]
noisy_labels = true
label_errors = { teff = 60.0, logg = 0.18, feh = 0.09 }
""")
table = Table({"star_id": star_id} | labels)
model = bc.train(spectra, table, recipe)
for line in model.report["warnings"]:
    print("note:", line)
print()
print("label    stated   catalogue   model")
for name, error in model.report["error_budget"]["labels"].items():
    print(f"{name:6s} {error['stated']:8.3g} {error['catalogue']:10.3g} {error['model']:9.3g}")

# %% [markdown]
# The last column is the **model error**: what spectra do that a quadratic in three labels does not
# describe, seen in the labels. It is far larger than what photons leave open, and it is part of
# every posterior of this model.
#
# ## 3. Do the intervals hold?
#
# The whole recipe is trained again on four fifths of the stars, and the others are inferred. Here
# this is done by hand, for the picture; `bc.certify` (or `bayescannon train`) does the same and
# keeps the verdict with the model.

# %%
found = bc.cross_validate(spectra, table, recipe, folds=5, seed=0)
rng = np.random.default_rng(0)
catalogue = found.draws + rng.normal(size=found.draws.shape) * found.error[:, None]
share = (catalogue < found.truth[:, None]).mean(axis=1)
for i, name in enumerate(found.labels):
    off = found.mean[:, i] - found.truth[:, i]
    z = off / catalogue[:, :, i].std(axis=1)
    held = [np.mean(np.abs(share[:, i] - 0.5) < level / 2) for level in (0.68, 0.95)]
    print(
        f"{name:5s} rms {np.std(off):7.3f}   z {np.std(z):.2f}   "
        f"68 % intervals hold {100 * held[0]:.0f} %, 95 % hold {100 * held[1]:.0f} %"
    )

# %% [markdown]
# Each share may miss its level by about 3 % (binomial, 228 stars).

# %%
figure = draw_one_to_one(
    found.truth,
    found.mean,
    found.labels,
    np.hypot(found.sd, found.error),
    heading="MILES giants, each inferred without it",
    note="real",
)
save(figure, folder / "another_instrument.png")
figure
