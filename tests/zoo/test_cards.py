"""The cards of trained models in docs/, which a command writes."""

import pytest
from PIL import Image

from tfflows.zoo.shelf import cards, pretrained, write_cards

NAMES = pretrained.names()


@pytest.mark.parametrize("name", NAMES)
def test_cards_are_up_to_date(name):
    """`python -m tfflows.zoo.shelf.write_cards` writes them."""
    assert write_cards.card_path(name).read_text() == cards.card(name)
    with Image.open(write_cards.picture_path(name)) as picture:
        assert len(picture.convert("L").getcolors()) >= 3  # with the gaps


def test_the_table_of_the_shelf_is_up_to_date():
    page = write_cards.SHELF.read_text()
    assert write_cards.with_table(page, cards.table(NAMES)) == page
    assert all(f"[`{name}`]" in page for name in NAMES)


def test_the_figure_that_stands_for_a_model():
    vae = {"nll": 90.0, "elbo": -90.0, "kl": 20.0, "bits_per_dim": 0.2}
    assert cards.main_figure(vae) == ("nll", 90.0)
    assert cards.main_figure({"nll": 3.0, "kl": 0.1}) == ("kl", 0.1)
    assert cards.main_figure({"nll": 3.0, "bits_per_dim": 2.0}) == ("bits_per_dim", 2.0)


def test_no_card_without_trained_weights():
    with pytest.raises(ValueError, match="expected a model with trained weights"):
        cards.card("glow_cifar10")
