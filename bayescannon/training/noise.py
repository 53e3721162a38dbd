"""Whose scatter is it? What is known of the noise of catalogue values of an indirect label.

Catalogue values scatter about what spectra show. One catalogue does not tell how much of that is
its own error and how much true scatter, so this is an input, marginalised in training.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp
from scipy.stats import beta

from bayescannon.typing import Stars

CONCENTRATION = 20.0
"""How sharply shares are believed: as if counted in so many stars of the variance."""
N_TAU, N_SCALE = 24, 11
REACH = 3.0
"""Sds of ln f that the nodes span."""
WIDEST = 1.0
"""Sd of ln f that stands for stated errors that are not believed."""


class Nodes(NamedTuple):
    """tau^2 and f^2 on a grid, with the logarithm of their prior weight."""

    tau2: Float[np.ndarray, "node"]
    f2: Float[np.ndarray, "node"]
    log_prior: Float[np.ndarray, "node"]

    def variance(self, i: int, stated: Stars) -> Stars:
        """Of catalogue values about the relation, at a node."""
        return self.tau2[i] + self.f2[i] * stated


class NoiseBudget(NamedTuple):
    """Prior of the noise of catalogue values.

    Either the stated errors are believed, ln f ~ N(0, `prior_ln_scale`), or `shares` of the
    variance of catalogue values about what spectra show are given: true `scatter`, `error` of the
    catalogue, and what is `shared` by all catalogues, which may be either.
    """

    prior_ln_scale: float
    shares: dict[str, float] | None = None

    def taken(self, stated: Stars) -> Stars:
        """Variances of the errors as they are taken: all alike where shares are given.

        That they differ from star to star would otherwise decide the shares, by what outliers do.
        """
        return np.full(len(stated), np.mean(stated)) if self.shares else stated

    def nodes(self, stated: float, variance: float) -> Nodes:
        """Put tau and f on a grid.

        Parameters
        ----------
        stated, variance : float
            Mean variance of the errors as stated, and variance of the catalogue values.
        """
        if self.shares:
            return self._of_shares(max(stated, 1e-12), variance)
        width = min(self.prior_ln_scale, WIDEST)
        ln_f = np.linspace(-REACH, REACH, N_SCALE) * width
        tau = np.sqrt(variance) * np.exp(np.linspace(np.log(0.02), 0.0, N_TAU))
        tau, ln_f = (a.ravel() for a in np.meshgrid(tau, ln_f, indexing="ij"))
        # flat in tau
        return Nodes(tau**2, np.exp(2 * ln_f), np.log(tau) - 0.5 * (ln_f / width) ** 2)

    def _of_shares(self, stated: float, variance: float) -> Nodes:
        total = variance * np.exp(np.linspace(np.log(0.005), np.log(1.5), 2 * N_TAU))
        error = (np.arange(N_SCALE) + 0.5) / N_SCALE
        total, error = (a.ravel() for a in np.meshgrid(total, error, indexing="ij"))
        ends = [CONCENTRATION * np.clip(e, 0.02, 0.98) for e in self.ends]
        laws = [beta.logpdf(error, e, CONCENTRATION - e) for e in ends]
        log_prior = logsumexp(laws, axis=0)
        return Nodes((1 - error) * total, error * total / stated, log_prior)

    @property
    def ends(self) -> tuple[float, float]:
        """Share of error if what is shared is none of it, and if it is all error."""
        shares = self.shares or {}
        own = shares.get("error", 0.0)
        return own, own + shares.get("shared", 0.0)
