"""The relation of an indirect label to what spectra show, and whose its scatter is."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import random
from numpyro.infer import MCMC, NUTS

import bayescannon as bc
from bayescannon.precision import numpyro_rules
from bayescannon.training.noise import NoiseBudget
from bayescannon.training.regression import Shown, expected_features, regress, relation_program
from bayescannon.training.relation import fit_relation

HEAD = 'name = "x"\n[labels]\nnames = ["teff", "ln_mass"]\n[training]\nnoisy_labels = true\n'


def make(n: int, seed: int = 0) -> tuple[Shown, np.ndarray, np.ndarray]:
    """One label and four factors; mass follows the label and the third factor, scatter 0.3."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    own = np.array([0.05, 0.2, 0.2, 0.2, 0.2])
    mass = 0.5 * x[:, 0] - 0.6 * x[:, 3] + 0.1 * x[:, 0] ** 2 + 0.3 * rng.normal(size=n)
    # regression calibration: what is shown is an expectation, about which the truth scatters
    shown = x - own * rng.normal(size=x.shape)
    return Shown(shown, np.tile(np.diag(own**2), (n, 1, 1)), 1), mass, x


def test_scatter_and_direction_are_found_though_spectra_err():
    """600 stars, seed 0: tau to 5 % (its Monte Carlo error 4 %), the axis within 0.1 rad."""
    shown, mass, _ = make(600)
    rng = np.random.default_rng(1)
    stated = np.full(600, 0.2**2)
    seen = mass + 0.2 * rng.normal(size=600)
    whole, given = [np.ones(600, bool)], np.array([0])
    relation, fits = fit_relation(shown, seen, stated, whole, NoiseBudget(0.02), given)
    assert relation.turn.shape == (4, 1)
    assert abs(relation.turn[2, 0]) > np.cos(0.1)
    assert relation.scatter[0] == pytest.approx(0.3, rel=0.12)
    assert fits[0].error_scale.mean() == pytest.approx(1.0, abs=0.03)
    # without the spectrum the third factor is scatter, too
    assert relation.plain_scatter[0] == pytest.approx(np.hypot(0.3, 0.6), rel=0.1)


def test_the_fast_posterior_is_that_of_the_program():
    """NUTS on the definition, 150 stars: means within 0.4 sd, sds within 25 %, at equal widths."""
    shown, mass, _ = make(150, 3)
    shown = shown.turned(np.eye(4)[:, 2:3])
    stated = np.full(150, 0.1**2)
    fast = regress(shown, mass, stated, NoiseBudget(0.05), np.random.default_rng(0))
    v, slope = expected_features(shown)
    along = np.einsum("nfi,f->ni", slope, fast.mean)
    own = np.einsum("ni,nij,nj->n", along, shown.covariance, along)
    kernel = NUTS(relation_program)
    with numpyro_rules():
        chain = MCMC(kernel, num_warmup=300, num_samples=600, progress_bar=False)
        arrays = map(jnp.asarray, (v, mass, stated, own, fast.width))
        chain.run(random.PRNGKey(0), *arrays, 0.05)
        found = {name: np.asarray(draws) for name, draws in chain.get_samples().items()}
    mean, sd = found["coefficients"].mean(axis=0), found["coefficients"].std(axis=0)
    # 100 and 600 draws know a mean to 0.11 sd
    assert np.abs((fast.mean - mean) / sd).max() < 0.4
    np.testing.assert_allclose(fast.coefficients.std(axis=0), sd, rtol=0.25)
    assert fast.scatter.mean() == pytest.approx(found["scatter"].mean(), rel=0.05)


def test_shares_decide_what_is_scatter():
    """Half of the variance is error: tau^2 is half of it, whatever errors are stated as."""
    shown, mass, _ = make(600, 5)
    stated, budget = np.full(600, 0.9**2), {"scatter": 0.5, "error": 0.5, "shared": 0.0}
    fit = regress(shown, mass, stated, NoiseBudget(0.15, budget), np.random.default_rng(0))
    assert fit.tau2 == pytest.approx(0.3**2 / 2, rel=0.25)
    bracket = {"scatter": 0.4, "error": 0.3, "shared": 0.3}
    assert NoiseBudget(0.15, bracket).ends == (0.3, 0.6)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("noise_shares = { scatter = 0.5, error = 0.3 }", "add up to 0.8, not 1"),
        ("noise_shares = { scatter = 0.5, mistake = 0.5 }", "error, scatter, shared"),
        ("noise_shares = { scatter = 1.5, error = -0.5 }", "none negative"),
    ],
)
def test_shares_that_cannot_be_are_one_line(line, said):
    with pytest.raises(bc.UserError, match=said) as error:
        bc.Recipe.loads(HEAD + f'carried = ["ln_mass"]\n{line}\n')
    assert "training.noise_shares" in str(error.value)


def test_one_indirect_label_only():
    with pytest.raises(bc.UserError, match="name one label"):
        bc.Recipe.loads(
            'name = "x"\n[labels]\nnames = ["teff", "ln_mass", "ln_age"]\n[training]\n'
            'noisy_labels = true\ncarried = ["ln_mass", "ln_age"]\n'
        )
