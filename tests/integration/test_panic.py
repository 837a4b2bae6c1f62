"""`quantd panic` without a trader, against the real gateway: everybody's orders off and proven, positions closed
through the gate, the next trader HALTED.
"""

from pathlib import Path

import pytest

from daemon import cli
from daemon.config import load_config
from daemon.drill import scene
from daemon.drill.pair import Pair
from daemon.drill.relay import GLOBAL_CANCEL, PLACE
from daemon.killer.closing import closing_config
from daemon.killer.latch import read_latch
from tests.fakes.built_tables import lend_all


def quantd(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and everything said of one command."""
    code = cli.main(arguments)
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.mark.slow
def test_panic_needs_no_trader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five orders of another client and a position: cancelled, verified, latched; closed when the account is typed."""
    market = scene.gateway_text(speed=5, seed=scene.SEED)
    with Pair(tmp_path, gateway_text=market, trader_text=scene.trader_text) as pair:
        lend_all(tmp_path / "gateway")
        lend_all(pair.state)
        pair.start_gateway()
        other = scene.OtherClient(pair.gateway_port)
        other.place()
        pair.gateway_command("place", symbol="K07", side="BUY", quantity="300")
        pair.wait(lambda: bool(pair.gateway_command("executions")), "the order by hand is filled")
        other.close()
        told = ("panic", "-c", str(pair.trader_file), "--reason", "drill")
        code, said = quantd(capsys, *told, "--flatten", "--confirm", "DU9999999")
        assert code == 2, said
        assert "5 orders are off, 0 are left" in said
        assert "held: 300 K07" in said
        assert "verified: the broker's list was empty twice" in said
        assert "nothing was closed" in said
        latch = read_latch(pair.state)
        assert latch is not None
        assert (latch.by, latch.reason, latch.verified, latch.cancelled) == ("panic", "drill", True, 5)
        assert pair.relay.sent(GLOBAL_CANCEL)
        assert not pair.relay.sent(PLACE)
        code, said = quantd(capsys, *told, "--flatten", "--confirm", scene.ACCOUNT)
        assert code == 0, said
        sold = [fill for fill in pair.gateway_command("executions") if fill["side"] == "SELL"]
        assert sum(int(fill["quantity"]) for fill in sold) == 300
        pair.start_trader(ready=False)
        status = pair.status()
        assert status is not None
        assert status.ladder == "HALTED"
        assert "GUARD" in [row.code for row in status.latches]


def test_a_closing_trader_shares_nothing_with_the_one_before(tmp_path: Path) -> None:
    """No strategy, and folder, socket, client id and order tag of its own; limits and account are the same."""
    path = tmp_path / "trader.toml"
    path.write_text(scene.trader_text(key="A" * 43 + "=", other_key="B" * 43 + "=").format(port=1, state=tmp_path))
    config = load_config(path)
    closing = closing_config(config, tmp_path / "panic")
    assert not any(strategy.enabled for strategy in closing.strategies.values())
    assert (closing.limits, closing.account.id, closing.instruments) == (
        config.limits, config.account.id, config.instruments,
    )  # fmt: skip
    for one, other in (
        (closing.state_dir, config.state_dir), (closing.control.socket, config.control.socket),
        (closing.account.tag, config.account.tag), (closing.ib.client_id, config.ib.client_id),
    ):  # fmt: skip
        assert one != other


def test_panic_is_for_a_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tape has no orders anywhere else; a state folder without a trader names no config."""
    code, said = quantd(capsys, "panic", "--reason", "x", "--state", str(tmp_path))
    assert (code, "name its config with -c" in said) == (2, True), said
    from tests.fakes.trader import write_config

    code, said = quantd(capsys, "panic", "--reason", "x", "-c", str(write_config(tmp_path)))
    assert (code, "trades at no broker" in said) == (2, True), said
