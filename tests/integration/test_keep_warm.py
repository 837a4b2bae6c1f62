"""A paced trader that keeps its order path warm decides and records what one at full speed does."""

from pathlib import Path

import pytest

from tests.fakes.process import common, run_whole, verify
from tests.fakes.trader import write_config


@pytest.mark.slow
def test_a_shadow_changes_nothing_of_a_run(tmp_path: Path) -> None:
    """All that two equal runs share, and the journal verifies."""
    found = []
    for name, speed, engine in (("full", "max", ""), ("paced", "5000x", "keep_warm = true\n")):
        path = write_config(tmp_path / name, events_per_second=0.05)
        text = path.read_text().replace('speed = "max"', f'speed = "{speed}"')
        path.write_text(text.replace("[engine]\n", f"[engine]\n{engine}"))
        found.append(run_whole(path))
    assert found[0]["children"] > 10, "too few orders to prove anything"
    assert common(found[1]) == common(found[0])
    assert verify(tmp_path / "paced" / "journal")["difference"] == ""
