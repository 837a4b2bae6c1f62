"""A short, bounded history of one object: (seq, ts_ns, what). It explains errors; nothing decides on it."""

from typing import Final

Story = list[tuple[int, int, str]]
STORY_LENGTH_MAX: Final = 24


def tell(story: Story, seq: int, ts_ns: int, what: str) -> None:
    """Append one line; the oldest after the first goes when it is full (the first says how it began)."""
    if len(story) >= STORY_LENGTH_MAX:
        del story[1]
    story.append((seq, ts_ns, what))
