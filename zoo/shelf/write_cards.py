"""Writes the cards of all trained models, their pictures, and the table of the shelf.

Run `python -m tfflows.zoo.shelf.write_cards` in a checkout, after a `publish`. Pictures
that exist are kept; name models to draw them again.
"""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Sequence

from tfflows.system import files
from tfflows.zoo.shelf import cards, pretrained

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
SHELF = DOCS / "results" / "shelf.md"
_TABLE = re.compile(r"(<!-- table -->\n).*?(\n<!-- end -->)", re.DOTALL)


def main(names: Sequence[str]) -> None:
    """Writes docs/models/, docs/images/models/ and the table in docs/results/shelf.md.

    Args:
      names: Models to draw again; none: those without a picture.
    """
    for name in pretrained.names():
        files.write_text(card_path(name), cards.card(name))
        if name in names or not picture_path(name).exists():
            _draw(name)
    table = cards.table(pretrained.names())
    files.write_text(SHELF, with_table(SHELF.read_text(), table))


def card_path(name: str) -> pathlib.Path:
    """Returns the place of a model's card.

    Args:
      name: A registered name.
    """
    return DOCS / "models" / f"{name}.md"


def picture_path(name: str) -> pathlib.Path:
    """Returns the place of a model's picture.

    Args:
      name: A registered name.
    """
    return DOCS / "images" / "models" / f"{name}.png"


def with_table(page: str, table: str) -> str:
    """Returns a page with the table between its two marks.

    Args:
      page: The page.
      table: The new table.
    """
    return _TABLE.sub(lambda found: found[1] + table + found[2], page)


def _draw(name: str) -> None:
    from tfflows.zoo.factory import create
    from tfflows.zoo.registry import get_config
    from tfflows.zoo.running.plotting import picture

    model = create(name, weights="pretrained")
    with files.replacing(picture_path(name)) as temporary:
        picture(model, get_config(name)).savefig(temporary, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1:])
