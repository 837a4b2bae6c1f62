"""docs/training.md says what the [train] table takes."""

from research.job import TrainSettings
from tests.training_page import PAGE, page


def test_the_page_is_what_the_structs_say() -> None:
    """Run `python -m tests.training_page` after a change to the settings."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_key_has_a_meaning() -> None:
    """No row of the table ends with an empty cell."""
    rows = [line for line in page().splitlines() if line.startswith("| `") and line.count("|") == 6]
    assert len(rows) == len(TrainSettings.__struct_fields__)
    assert [row for row in rows if row.split("|")[-2].strip() == ""] == []
