"""Write docs/columns.md from the glossary of the catalogue: python scripts/columns_page.py"""

from pathlib import Path

from bayescannon.catalog.glossary import page

if __name__ == "__main__":
    (Path(__file__).resolve().parents[1] / "docs" / "columns.md").write_text(page())
