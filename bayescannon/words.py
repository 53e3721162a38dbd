"""Numbers in sentences."""


def plural(n: int, one: str, many: str = "") -> str:
    """Count things in words: `1 star`, `2 stars`; `many` is for words that take more than an s."""
    return f"{n} {one if n == 1 else many or one + 's'}"
