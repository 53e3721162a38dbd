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
# # Gallery
#
# Each picture with the lines that draw it. Every function takes arrays or a model and returns a
# Matplotlib `Figure`; `bayescannon.plots.style.save` writes it. Stars are **semi-synthetic**, with
# known truth, unless a picture says `real`.

# %%
# %matplotlib inline
import numpy as np

import bayescannon as bc
from bayescannon.data import apokasc, element_windows, lines, model_path
from bayescannon.plots.ages import draw_age_posteriors
from bayescannon.plots.calibration import draw_pit
from bayescannon.plots.factors import draw_factors
from bayescannon.plots.labels import draw_corner, draw_one_to_one, draw_training_labels
from bayescannon.plots.model import draw_coefficients
from bayescannon.plots.spectra import draw_spectrum
from bayescannon.plots.star import draw_star
from bayescannon.posterior import stack_draws
from bayescannon.precision import use_compilation_cache
from bayescannon.trees import point_sd

use_compilation_cache()
note = "semi-synthetic"
model = bc.Model.load(model_path("apokasc-mass"))
test = bc.make_mock(300, seed=1)
post = bc.infer(model, test.spectra, "importance", draws=400, seed=0)
ages = bc.infer_ages(post)
names, star = model.labels, str(test.spectra.star_id[0])
truth = np.stack([np.asarray(test.truth[name]) for name in names], axis=1)
mean, draws = post["point"]["mean"].values, stack_draws(post, names)
print(f"{len(test.spectra)} stars, {draws.shape[0]} draws of {', '.join(names)}")

# %% [markdown]
# ## One star on one page

# %%
draw_star(model, test.spectra, post, star, ages, note=note)

# %% [markdown]
# ## Its spectrum and the model

# %%
flux, ivar = test.spectra[:1].arrays()
draw_spectrum(model, flux[0], ivar[0], mean[0], star_id=star, note=note)

# %% [markdown]
# ## Its posterior

# %%
draw_corner(draws[:, 0], names, post["point"]["map"].values[0], truth[0], star_id=star, note=note)

# %% [markdown]
# ## Estimated against true labels

# %%
draw_one_to_one(truth, mean, names, point_sd(post), x_word="true", note=note)

# %% [markdown]
# ## Calibration

# %%
draw_pit(bc.calibration.pit_of_draws(draws, truth), names, note=note)

# %% [markdown]
# ## Ages

# %%
age = ages["posterior"]["age"].values[0]
draw_age_posteriors(age[:, :8], test.spectra.star_id[:8].tolist(), note=note)

# %% [markdown]
# ## The residual factors of a model, and the elements they resemble

# %%
draw_factors(model, element_windows(), note=note)

# %% [markdown]
# ## Coefficients of a model of real spectra

# %%
real = bc.Model.load(model_path("apogee-dr12-four-label"))
draw_coefficients(real, "teff", lines(), note="real")

# %% [markdown]
# ## Training labels

# %%
giants = apokasc()
columns = [np.ma.filled(np.ma.asarray(giants[name], float), np.nan) for name in names[:4]]
draw_training_labels(np.stack(columns, axis=1), names[:4], note="real")
