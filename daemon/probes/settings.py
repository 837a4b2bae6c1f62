"""What no API can read: settings of TWS or IB Gateway that a person must have looked at. One line each."""

from typing import Final

from daemon.probes.context import Look
from daemon.probes.finding import CONFIRM, Finding

# (what, where and why). The words are those of the gateway's own configuration pages.
SETTINGS: Final = (
    ("auto-restart time is set, inside one of ib.windows", "Lock and Exit > Auto restart: without it the gateway logs "
     "off each day and waits for a person"),
    ("`Maintain and resubmit orders when connection is restored` is OFF", "API > Settings: with it, orders sent while "
     "the link was down are sent a second time later"),
    ("`Read-Only API` is OFF", "API > Settings: with it no order is taken"),
    ("`Download open orders on connection` is ON", "API > Settings: what works is told at once"),
    ("the master client id is {client_id}", "API > Settings > Master API client ID: it alone hears of all orders"),
    ("`Bypass Order Precautions for API orders` is ON", "API > Precautions: or a dialogue nobody sees holds an order"),
    ("market data in shares, not lots", "API > Settings > Send market data in lots for US stocks: OFF"),
    ("messages above the maximum rate are rejected", "API > Settings > Reject messages above maximum allowed message "
     "rate: ON, or they are silently delayed"),
    ("this host is a trusted IP, or only localhost may connect", "API > Settings > Trusted IPs: another one opens a "
     "dialogue"),
)  # fmt: skip


def check_settings(look: Look) -> list[Finding]:
    """Every setting as something to confirm."""
    client_id = look.config.ib.client_id
    return [
        Finding(check="settings", status=CONFIRM, text=what.format(client_id=client_id), remedy=where)
        for what, where in SETTINGS
    ]
