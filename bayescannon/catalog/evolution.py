"""Stars that single-star evolution cannot explain: merged, fed, or stripped."""

import numpy as np

ALPHA_RICH = 0.13
YOUNG = 6.0
"""Alpha-rich [dex] and young [Gyr], limits of our choice."""
SURE = 0.84


def not_single(afe: np.ndarray, age_q84: np.ndarray, p_trunc: np.ndarray) -> np.ndarray:
    """Say which stars no single star's life explains (Ness et al. 2016, section 2.3), bool (star,).

    Parameters
    ----------
    afe : (star,)
        Median [alpha/Fe] [dex].
    age_q84 : (star,)
        84 % quantile of age [Gyr]: above 0.13 dex in [alpha/Fe] it should not be below 6 Gyr.
    p_trunc : (star,)
        Probability that the mass lies below the oldest isochrone's: should not be above 0.84.
    """
    young = (afe > ALPHA_RICH) & (age_q84 < YOUNG)
    return young | (p_trunc > SURE)
