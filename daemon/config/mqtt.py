"""The table `[ops.mqtt]`: the bridge to an MQTT broker. What it must mean: mqtt_check.py. Decides nothing, reads no
file.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

PATHS: Final = ("password_file", "ca_file", "certificate_file", "key_file")
LEVEL: Final = r"[A-Za-z0-9_.-]{1,40}"  # of a topic
PORT: Final = 1883
TLS_PORT: Final = 8883

# What may come by MQTT at all: no order, no correction of the books, and no lease.
Command = Literal[
    "halt", "kill", "flatten", "trigger", "ack", "parent-pause", "parent-cancel",
    "resume", "parent-resume", "acknowledge", "resolve", "arm", "reset-peak", "limit-set", "limit-revert",
]  # fmt: skip


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The MQTT bridge, part of the ops process: what the trader does, told; commands, taken only signed. Off without a
    host. The page docs/mqtt.md has topics and payloads.
    """

    host: str = ""  # of the MQTT broker (version 5); empty = no bridge
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0  # its port; 0 = 8883 with TLS, 1883 without
    tls: bool = False  # TLS; the broker's name must be in its certificate
    plain: bool = False  # true = no TLS to a broker on another machine: everybody on the way reads and writes
    ca_file: str = ""  # who signed the broker's certificate, PEM; empty = whom this machine trusts
    certificate_file: str = ""  # our own certificate, where the broker wants one, PEM
    key_file: str = ""  # its key, PEM
    user: str = ""  # name at the broker; empty = it asks for none
    password_file: str = ""  # a file with the password (mode 600), relative to this file
    password_variable: str = ""  # or the environment variable that holds it
    client_id: Annotated[str, Meta(max_length=64)] = ""  # at the broker; empty = quantd- and the instance
    # Every topic begins with PREFIX/INSTANCE/.
    prefix: Annotated[str, Meta(pattern=rf"^{LEVEL}(/{LEVEL}){{0,3}}$", examples=["quantd"])] = "quantd"
    instance: Annotated[str, Meta(pattern=rf"^({LEVEL})?$", examples=["paper1"])] = ""  # empty = account.tag
    # Which commands may come in, each with a signature of an operator; [] = none.
    commands: Annotated[tuple[Command, ...], Meta(max_length=20)] = (
        "halt", "kill", "flatten", "trigger", "ack", "resume",
    )  # fmt: skip
    # Which numbers from outside may come in, without a signature; whoever may write to their topics moves the models.
    features: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=256)] = ()
    features_per_second: Annotated[int, Meta(ge=1, le=100)] = 20  # told to the trader; of one number the newest counts
    telemetry_s: Annotated[float, Meta(ge=0.5, le=3_600.0)] = 1.0  # state, P&L and positions at most this often
    heartbeat_s: Annotated[float, Meta(ge=0.5, le=3_600.0)] = 5.0  # and this often a sign of life
    # Fills, and as many alerts, kept while the broker cannot be reached; beyond, the oldest are dropped and counted.
    kept_max: Annotated[int, Meta(ge=10, le=100_000)] = 10_000
    keepalive_s: Annotated[int, Meta(ge=2, le=600)] = 10  # the broker tells that we are gone after 1.5 times this long
    timeout_s: Annotated[float, Meta(ge=0.5, le=60.0)] = 5.0  # the longest wait for the broker
    # MQTT_LOST is told when no session with the broker has lasted for this long; 0 = never.
    lost_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 60.0
    home_assistant: Annotated[str, Meta(pattern=rf"^({LEVEL})?$", examples=["homeassistant"])] = ""  # its discovery

    @property
    def port_used(self) -> int:
        """The port, whether given or usual."""
        return self.port or (TLS_PORT if self.tls else PORT)

    @property
    def relayed(self) -> tuple[str, ...]:
        """The commands that the trader takes from the bridge."""
        return self.commands if self.host else ()
