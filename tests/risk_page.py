"""Writes docs/risk.md from the checks and limits: `python -m tests.risk_page`."""

from pathlib import Path

from risk.controls import risk_page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "risk.md"


def write() -> None:
    """Overwrite the page."""
    PAGE.write_text(risk_page(), encoding="utf-8")


if __name__ == "__main__":
    write()
