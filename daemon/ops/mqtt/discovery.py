"""What Home Assistant is told, where the config wants it: which of our topics are sensors of one device. Retained."""

from typing import Final

from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt.topics import HEARTBEAT, PNL, STATE, Topics

# key: topic, template, unit of measurement ("" = none)
SENSORS: Final = {
    "trader": (STATE, "{{ value_json.trader }}", ""),
    "ladder": (STATE, "{{ value_json.ladder | default('unknown') }}", ""),
    "link": (STATE, "{{ value_json.link | default('unknown') }}", ""),
    "equity": (PNL, "{{ value_json.equity }}", "currency"),
    "day_pnl": (PNL, "{{ value_json.day_pnl }}", "currency"),
    "dropped_fills": (HEARTBEAT, "{{ value_json.counted.dropped_fill }}", ""),
}


def discovery(prefix: str, topics: Topics, currency: str) -> dict[str, bytes]:
    """Payloads by topic."""
    node = topics.base.replace("/", "_").replace(".", "_")
    device = {"identifiers": [node], "name": topics.base, "manufacturer": "quantd"}
    found = {}
    for key, (topic, template, unit) in SENSORS.items():
        config = {
            "name": key.replace("_", " "),
            "unique_id": f"{node}_{key}",
            "state_topic": topics.of(topic),
            "value_template": template,
            "availability_topic": topics.availability,
            "device": device,
        }
        if unit:
            config["unit_of_measurement"] = currency
        found[f"{prefix}/sensor/{node}/{key}/config"] = m.encode(config)
    return found
