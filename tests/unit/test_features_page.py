"""docs/features.md is the catalogue."""

from strategies.features.catalogue import CATALOGUE
from tests.features_page import PAGE, page, without_costs


def test_the_page_is_what_the_catalogue_says() -> None:
    """Run `python -m tests.features_page` after a change to the catalogue; the measured costs are not compared."""
    text = PAGE.read_text(encoding="utf-8")
    wanted = page({feature.name: 1.0 for feature in CATALOGUE})
    assert without_costs(text) == without_costs(wanted)
    assert text.count("\n| ") == len(CATALOGUE) + 1


def test_costs_alone_are_left_out_of_the_comparison() -> None:
    """Another cost is no difference, another word is."""
    one, other = (page({feature.name: cost for feature in CATALOGUE}) for cost in (1.0, 22.5))
    assert one != other
    assert without_costs(one) == without_costs(other)
    assert without_costs(one) != without_costs(other.replace("rsi_14", "rsi_15"))
