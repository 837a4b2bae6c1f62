"""docs/gateway_reference.md is never stale and leaves nothing without words; the guide and the example hold."""

import re
from pathlib import Path

import pytest

from daemon.gateway.config import load_gateway
from daemon.gateway.page import page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generated() -> str:
    return page()


def test_the_page_is_what_the_program_says(generated: str) -> None:
    """A changed setting, fault or request makes this fail until the page is generated again."""
    text = (ROOT / "docs" / "gateway_reference.md").read_text(encoding="utf-8")
    assert text == generated, "stale: run `python -m daemon.gateway.page > docs/gateway_reference.md`"


def test_every_key_has_words(generated: str) -> None:
    """No row of the page has an empty meaning."""
    assert re.findall(r"^\| `\w+` .*\|  \|$", generated, flags=re.M) == []


def test_the_example_is_a_good_file() -> None:
    """The file that the guide names loads, and listens where the guide says."""
    config = load_gateway(ROOT / "examples" / "gateway.toml", environment={})
    assert config.addresses == (("127.0.0.1", 4002),)
