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
# # Your own spectra
#
# From apStar files to labels, and from labels of your own to a model. Everything here is **real**:
# two giants as SDSS published them, and 400 giants with ASPCAP's labels for the training at the
# end. They lie in the repository's `tests/data`.
#
# The script also runs as it is: `python notebooks/04_your_own_spectra.py [FOLDER]` writes the
# figure to FOLDER (default: `figures`) and prints the numbers.

# %%
# %matplotlib inline
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.table import Table

import bayescannon as bc
from bayescannon.data import model_path
from bayescannon.plots.spectra import draw_spectrum
from bayescannon.plots.style import save
from bayescannon.plots.windows import PAPER_OF_LABEL
from bayescannon.precision import use_compilation_cache
from bayescannon.trees import point_sd

use_compilation_cache()
notebook = "ipykernel" in sys.modules
arguments = [] if notebook else sys.argv[1:]
folder = Path(arguments[0] if arguments else "figures")
folder.mkdir(parents=True, exist_ok=True)

here = Path.cwd() if notebook else Path(__file__).resolve()
data = next(p / "tests" / "data" for p in (here, *here.parents) if (p / "tests" / "data").is_dir())

# %% [markdown]
# ## 1. Files in
#
# `ingest_files` takes apStar and aspcapStar files as they come. It takes the combined spectrum,
# masks bad pixels by the recipe's bits, sets an error floor and normalises by a polynomial through
# continuum pixels. A model's recipe says how, so that spectra look as its training spectra did.
# With many files give `out="mine.zarr"`: they go to disk, and a killed run goes on where it was.

# %%
model = bc.Model.load(model_path("apogee-dr12-four-label"))
files = sorted(data.glob("apStar-*.fits.gz"))
spectra, quarantine = bc.ingest_files(files, model.recipe.pixels)
flux, ivar = spectra.arrays()
print(spectra, f"{len(quarantine)} files set aside")
for star, snr, good in zip(
    spectra.star_id, spectra.columns["snr"], (ivar > 0).sum(axis=1), strict=True
):
    print(f"{star}: S/N {snr:.0f} per pixel, {good} good pixels")

# %% [markdown]
# ## 2. Labels
#
# This model was trained by others on real DR12 spectra (`models/apogee-dr12-four-label/CARD.md`).
# ASPCAP's labels of the first star (DR12) stand beside ours. The quoted widths are formal errors:
# pixels taken as independent, no error of the model. They are too small by factors, as the
# difference from ASPCAP shows; a model trained with `noisy_labels = true` learns better ones.

# %%
post = bc.infer(model, spectra, "importance", seed=0)
mean, sd = post["point"]["mean"].values, point_sd(post)
aspcap = {"2M00004994+1621552": (4705.0, 2.58, 0.10, 0.05)}
for row, star in enumerate(map(str, spectra.star_id)):
    print(star)
    for i, name in enumerate(model.labels):
        beside = f"   ASPCAP {aspcap[star][i]:8.2f}" if star in aspcap else ""
        print(f"   {name:5s} {mean[row, i]:8.2f} +- {sd[row, i]:.3f}{beside}")

# %% [markdown]
# ## 3. Flags
#
# A bad star is data, not an error: it comes back with flags. Read them before the labels. The
# second giant, from DR17, is cooler than any training star: what the quadratic says out there is
# extrapolation, and neither its labels nor its error bars mean much.

# %%
stats = post["sample_stats"]
for row, star in enumerate(map(str, spectra.star_id)):
    one = stats.isel(star=row)
    print(
        f"{star}: chi2 / dof {float(one['chi2'] / one['dof']):.2f}, "
        f"share of the posterior outside the training range {float(one['p_outside']):.2f}"
    )
    for line in bc.flags.explain(int(one["flags"])) or ["no flag"]:
        print("   ", line)

# %% [markdown]
# The first giant with its model in two of the paper's windows: look at your own stars like this
# before you believe a label.

# %%
row = list(spectra.star_id).index("2M00004994+1621552")
centres = np.array([PAPER_OF_LABEL["feh"][0], PAPER_OF_LABEL["teff"][0]], float)
figure = draw_spectrum(
    model, flux[row], ivar[row], mean[row], centres, star_id=str(spectra.star_id[row]), note="real"
)
save(figure, folder / "your_own_spectra.png")
figure

# %% [markdown]
# ## 4. A model of your own
#
# Two files. The recipe names the labels; everything left out has a default
# (`print(recipe.dumps())` shows all). The label table has `star_id`, a column for each label and,
# where you know it, `<label>_err`; any table that astropy reads will do. On the command line:
#
#     bayescannon train --spectra mine.zarr --labels labels.ecsv --recipe recipe.toml --out mymodel
#
# The 400 real DR12 giants here have 100 pixels each (15168 to 15189 Angstrom): enough to show how,
# not enough for good labels. Their files hold no wavelengths; these are spread evenly.

# %%
recipe = bc.Recipe.loads("""
name = "my-first-model"

[labels]
names = ["teff", "logg", "mh"]

[inference]
prior = "population"
""")
with np.load(data / "apogee_dr12_giants_400x100.npz") as stored:
    real_flux, error, labels = stored["flux"], stored["flux_err"], stored["labels"].astype(float)
good = np.isfinite(real_flux) & np.isfinite(error) & (error > 0)
real_ivar = np.divide(1.0, error**2, out=np.zeros(error.shape), where=good)  # 0: not measured
star_id = [f"giant-{i:03d}" for i in range(len(labels))]
mine = bc.Spectra(np.linspace(15168.0, 15189.0, 100), real_flux, real_ivar, star_id)
table = Table({"star_id": star_id} | dict(zip(recipe.labels.names, labels.T, strict=True)))
scratch = Path(tempfile.mkdtemp())
table.write(scratch / "labels.ecsv")
print(table[:3])

# %% [markdown]
# Train on three stars of four, and judge on the rest: a model is never judged on its own training
# stars. `bc.cross_validate` does this for all stars in turn.

# %%
held_out = np.arange(len(mine)) % 4 == 0
own = bc.train(mine[~held_out], table[~held_out], recipe)
own.save(scratch / "my-first-model")
judged = bc.infer(own, mine[held_out], "importance", seed=0)
off = judged["point"]["mean"].values - labels[held_out]
width = point_sd(judged)
flags = judged["sample_stats"]["flags"].values
print(f"trained on {(~held_out).sum()} stars, judged on {held_out.sum()}")
for flag in bc.flags.Flag:
    if count := int((flags & flag != 0).sum()):
        print(f"   {count} flagged {flag.name}")
for i, name in enumerate(own.labels):
    robust = 1.4826 * np.median(np.abs(off[:, i] - np.median(off[:, i])))
    print(
        f"{name:5s} rms {np.std(off[:, i]):7.3f}   robust {robust:7.3f}   "
        f"error / sd {np.std(off[:, i] / width[:, i]):.2f}"
    )

# %% [markdown]
# The last column says whether the widths are right: 1 would be. Labels taken as exact and pixels
# taken as independent make them too narrow here. With whole spectra, `noisy_labels = true` in
# `[training]` and errors in the table learn the rest (`docs/explanation/training.md`,
# `notebooks/03_uncertainty_study.py`).
