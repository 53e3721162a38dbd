"""How captions are written."""

from astropy.table import Table


def markdown(table: Table) -> str:
    """Lay a table out in Markdown, in its columns' formats."""
    cells = [
        table[name].pformat(show_name=False, show_unit=False, max_lines=-1)
        for name in table.colnames
    ]
    rows = [table.colnames, ["---"] * len(table.colnames), *zip(*cells, strict=True)]
    return "\n".join("| " + " | ".join(cell.strip() for cell in row) + " |" for row in rows)
