"""What the bridge counts of its own work; the heartbeat and `/metrics` show it."""

from typing import Final

from daemon.ops.mqtt.outbox import Outbox

# Why a message that came in was not passed on. A closed list: it is a label.
TOPIC: Final = "topic"
RETAINED: Final = "retained"
TOO_BIG: Final = "too_big"
MALFORMED: Final = "malformed"
NOT_TAKEN: Final = "not_taken"  # a command, or a number, that the config does not let in
UNSIGNED: Final = "unsigned"
FORGED: Final = "forged"
STALE: Final = "stale"
REPLAYED: Final = "replayed"
BUSY: Final = "busy"
REASONS: Final = (TOPIC, RETAINED, TOO_BIG, MALFORMED, NOT_TAKEN, UNSIGNED, FORGED, STALE, REPLAYED, BUSY)
# Why the broker did not take what we published: its answers of MQTT 5, section 3.4.2.1. A closed list too.
DENIALS: Final = {
    0x80: "unspecified", 0x83: "implementation", 0x87: "not_authorized", 0x90: "topic", 0x91: "packet_identifier",
    0x97: "quota", 0x99: "payload",
}  # fmt: skip
FAILURE: Final = 0x80  # from here on an answer is a no


def denial_of(code: int) -> str:
    """In a word; "" = it was taken."""
    return DENIALS.get(code, DENIALS[FAILURE]) if code >= FAILURE else ""


class Counters:
    """Since the bridge began."""

    def __init__(self) -> None:
        self.received = 0
        self.unsaid = 0  # refusals that were not answered: too many in a second
        self.refused = dict.fromkeys(REASONS, 0)  # by the bridge
        self.relayed = 0  # commands passed on to the trader
        self.relayed_refused = 0  # and refused by it
        self.unanswered = 0  # and not answered
        self.features = 0
        self.features_refused = 0  # by the trader
        self.connects = 0
        self.connected = 0  # 1 while it is
        self.failures = 0  # connections that failed or ended
        self.denied = dict.fromkeys(DENIALS.values(), 0)  # publications that the broker did not take

    def told(self, outbox: Outbox) -> dict[str, int]:
        """All of it, flat."""
        plain = (
            "connected", "connects", "failures", "received", "unsaid", "relayed", "relayed_refused", "unanswered",
            "features", "features_refused",
        )  # fmt: skip
        return {
            **{name: int(getattr(self, name)) for name in plain},
            "published": outbox.published,
            "waiting": len(outbox),
            "replaced": outbox.replaced,
            **{f"dropped_{kind}": count for kind, count in outbox.dropped.items()},
            **{f"refused_{reason}": count for reason, count in self.refused.items()},
            **{f"denied_{reason}": count for reason, count in self.denied.items()},
        }
