"""Whether this release knows all that a journal may say. Each run writes the number of its vocabulary
(`core.records.RECORDS_VERSION`); a journal or snapshot of a higher one is refused, not read half: a field that an older
release does not know is skipped in silence by the codec, and what it said of money would be lost.
"""

from typing import Final

from core import records as r
from core.errors import ConfigError
from core.reference import CodeVersion
from daemon.journal import Record

_TAG: Final = CodeVersion.__struct_config__.tag


def check_vocabulary(record: Record) -> None:
    """Of one reference record; only the one that says what ran counts. Raises ConfigError: a start must not go on."""
    if record.payload[1] != _TAG:
        return
    message = r.decode(r.REFERENCE, record.payload)
    if isinstance(message, CodeVersion) and message.records > r.RECORDS_VERSION:
        raise ConfigError(
            f"state_dir: release {message.version} wrote records of version {message.records} from seq {record.seq} "
            f"on, this one reads {r.RECORDS_VERSION}: start that release again, or a later one"
        )
