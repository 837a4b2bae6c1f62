"""From a recipe to money: the shipped commands on a made-up market with a small planted signal, and on one without."""

from pathlib import Path

import pytest

from tests.fakes import planted


@pytest.mark.slow
def test_a_planted_signal_is_found_and_traded_at_a_profit(tmp_path: Path) -> None:
    """A rank correlation of about 0.03 is found, and the daemon gains with it, net of costs, on days it never saw."""
    found = planted.train(tmp_path, signal_bp=planted.SIGNAL_BP, seed=5, days=12)
    assert found["tradable"], found["verdict"]
    assert 0.01 < found["information_coefficient"] < 0.06
    traded = planted.trade(tmp_path, signal_bp=planted.SIGNAL_BP, seed=105, days=4)
    assert traded["fills"] > 100
    assert planted.net_gain(traded) > 0.0


@pytest.mark.slow
def test_pure_noise_trades_nothing(tmp_path: Path) -> None:
    """A model of noise is refused at the start; where it is let in all the same, it promises too little to trade."""
    found = planted.train(tmp_path, signal_bp=0.0, seed=6, days=4)
    assert not found["tradable"]
    with pytest.raises(RuntimeError, match="not tradable"):
        planted.trade(tmp_path, signal_bp=0.0, seed=106, days=1)
    assert planted.trade(tmp_path, signal_bp=0.0, seed=106, days=1, allow_untradable=True)["fills"] == 0
