"""What each number of `core.records.RECORDS_VERSION` stands for, by the fingerprint of `tests/replay/vocabulary.py`.
A line is never changed: a change of messages takes the next number and a line of its own.
"""

from typing import Final

VOCABULARIES: Final = {
    1: "118c0853e51d5372b9a234d6bdb77d7f",
    2: "0af3701dada0fdca66ed776f21b5e6c4",
    3: "0f34d1445c4f61caed74c7875513d162",
}
