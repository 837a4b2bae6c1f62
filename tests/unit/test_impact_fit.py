"""Impact parameters from our own trades: recovered where the truth is known, refused where nothing can be said."""

import io
import sys
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from core.errors import ConfigError
from execution.costs import Almgren
from research.impact import Calibration, Trade, calibrate, main


def made(
    seed: int, *, trades: int = 400, eta: float = 0.142, beta: float = 0.6, gamma: float = 0.314
) -> tuple[Trade, ...]:
    """Trades of a market that follows the model, with the market's own moves over their time on top."""
    chance = np.random.default_rng(seed)
    model = Almgren(gamma=gamma, eta=eta, beta=beta)
    found = []
    for _ in range(trades):
        size, days = float(np.exp(chance.uniform(np.log(0.002), np.log(0.2)))), float(chance.uniform(0.05, 1.0))
        sigma, turnover, wait = float(chance.uniform(0.01, 0.03)), float(chance.uniform(100, 400)), 0.1
        stays = model.permanent(size=size, volatility=sigma, turnover_days=turnover)
        temporary = model.temporary(size=size, volatility=sigma, rate=size / days)
        trend = chance.normal(0.0, sigma * np.sqrt(days))  # at the end; half of it in the average price
        bridge = chance.normal(0.0, sigma * np.sqrt(days / 12.0))
        found.append(
            Trade(
                size=size, days=days, wait_days=wait, volatility=sigma, turnover_days=turnover,
                cost=stays / 2 + temporary + 0.5 * trend + bridge,
                stayed=stays + trend + chance.normal(0.0, sigma * np.sqrt(wait)),
            )
        )  # fmt: skip
    return tuple(found)


@pytest.mark.slow
def test_parameters_are_recovered_within_their_intervals() -> None:
    """Over eight made-up histories 95 % intervals hold the truth most of the time, and delta and bootstrap agree."""
    found = [calibrate(made(seed, trades=1500), bootstraps=60) for seed in range(8)]
    truth = {"gamma": 0.314, "eta": 0.142, "beta": 0.6}
    for name, value in truth.items():
        held = sum(getattr(one, name).holds(value) for one in found)
        assert held >= 6, f"{name}: {held} of {len(found)} intervals hold {value}"
    assert np.mean([one.residual for one in found]) == pytest.approx(1.0, rel=0.1)
    widths = [(one.eta.high - one.eta.low) / (one.eta.delta_high - one.eta.delta_low) for one in found]
    assert np.median(widths) == pytest.approx(1.0, rel=0.35)


def test_without_noise_it_is_exact() -> None:
    """A market that does nothing but follow the model gives back its parameters."""
    model = Almgren(gamma=0.5, eta=0.2, beta=0.45)
    trades = []
    for at in range(40):
        size, days, sigma = 0.001 * (at + 1), 0.1 + 0.02 * (at % 7), 0.02
        stays = model.permanent(size=size, volatility=sigma, turnover_days=200.0)
        cost = stays / 2 + model.temporary(size=size, volatility=sigma, rate=size / days)
        trades.append(Trade(size=size, days=days, wait_days=0.1, volatility=sigma, cost=cost, stayed=stays))
    found = calibrate(tuple(trades), bootstraps=5)
    assert (found.gamma.value, found.eta.value, found.beta.value) == pytest.approx((0.5, 0.2, 0.45), rel=1e-6)
    assert found.residual < 1e-6


def test_the_same_trades_give_the_same_numbers() -> None:
    """The bootstrap is seeded."""
    trades = made(1, trades=60)
    assert calibrate(trades, bootstraps=5) == calibrate(trades, bootstraps=5)


def test_nothing_is_said_of_too_little() -> None:
    """Few trades, a trade without a size, or costs that fall with the rate: no parameters."""
    trades = made(1, trades=40)
    with pytest.raises(ConfigError, match="29 are too few"):
        calibrate(trades[:29])
    with pytest.raises(ConfigError, match=r"trades\[0\]\.size is 0"):
        calibrate((msgspec.structs.replace(trades[0], size=0.0), *trades[1:]))
    paid = tuple(msgspec.structs.replace(trade, cost=-0.01, stayed=0.0) for trade in trades)
    with pytest.raises(ConfigError, match="does not grow with their rate"):
        calibrate(paid)


@pytest.mark.slow
def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON in, JSON out; what cannot be used is one line and status 2."""
    for document, status in ((msgspec.json.encode(made(2, trades=40)), 0), (b"[]", 2), (b"{", 2)):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(document)))
        assert main() == status
        told = capsys.readouterr()
        if status:
            assert told.err.count("\n") == 1
        else:
            assert msgspec.json.decode(told.out, type=Calibration).trades == 40
