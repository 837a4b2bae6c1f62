"""The shipped commands on a market of pure noise. The market with a planted signal is the drill `planted`."""

from pathlib import Path

import pytest

from tests.fakes import planted


@pytest.mark.slow
def test_pure_noise_trades_nothing(tmp_path: Path) -> None:
    """A model of noise is refused at the start; where it is let in all the same, it promises too little to trade."""
    found = planted.train(tmp_path, signal_bp=0.0, seed=6, days=2)
    assert not found["tradable"]
    with pytest.raises(RuntimeError, match="not tradable"):
        planted.trade(tmp_path, signal_bp=0.0, seed=106, days=1)
    assert planted.trade(tmp_path, signal_bp=0.0, seed=106, days=1, allow_untradable=True)["fills"] == 0
