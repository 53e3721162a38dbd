"""The part of a model card that tells whether intervals hold."""

from bayescannon.calibration import LEVELS, NO_CERTIFICATE, Certificate

HEADING = "## Certificate"


def with_certificate(card: str, certificate: Certificate | None) -> str:
    """Give a model card (Markdown) with the certificate's verdict and table at its end.

    Parameters
    ----------
    card : str
        A verdict that it has already is replaced.
    certificate : Certificate or None
        None says that there is no certificate.
    """
    text = card.split(HEADING)[0].rstrip()
    lines = [text, "", HEADING, "", f"{verdict_of(certificate)}."]
    if certificate is not None:
        heads = ["label", "stars", "bias", "z-width", *(f"{100 * x:.0f} % holds" for x in LEVELS)]
        lines += ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for name, held in certificate.labels.items():
            pairs = zip(held.coverage, held.error, strict=True)
            shares = [f"{100 * share:.0f} +- {100 * error:.0f}" for share, error in pairs]
            cells = [name, str(held.stars), f"{held.bias:.2g}", f"{held.z:.2f}", *shares]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def verdict_of(certificate: Certificate | None) -> str:
    """One line on whether intervals hold, also where nobody has looked."""
    return NO_CERTIFICATE if certificate is None else certificate.verdict
