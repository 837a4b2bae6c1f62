"""What `quantd init` asks: each question is a field of the config, in the field's own words, with the default that a
kind of file has. An answer is checked at once, as the config itself will be. Asks nobody and writes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from broker.ib.config import IbSettings
from core.errors import ConfigError
from daemon.config.guarding import AlertTarget, GuardSettings, PanicSettings
from daemon.config.ops import OpsSettings
from daemon.config.page import meanings_of
from daemon.config.schema import AccountSettings, Config, FeedSettings, RecordSettings, StrategySettings
from daemon.config.wording import expected
from daemon.init import checks
from daemon.init.kinds import IB_PAPER, KIND, LIVE, PAPER, Answers, KindName
from risk.limit_rows import ROWS
from strategies.signal.params import SignalParams

YES: Final = ("yes", "y", "true", "on")
NO: Final = ("no", "n", "false", "off")
NAMES: Final = tuple[str, ...]
Check = Callable[[Any, Answers], str | None]  # raises ConfigError, or returns a warning
Default = str | Mapping[str, str] | Callable[[Answers], str]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. Its default is one for all kinds, or by kind, or made of the answers before. Kinds without one need
    an answer.
    """

    field: str  # of the config, dotted: it names the answer
    option: str
    takes: object  # a type of the schema
    meaning: str
    default: Default
    asked: Callable[[Answers], bool] = lambda answers: True
    check: Check = lambda value, answers: None

    @property
    def needed(self) -> tuple[str, ...]:
        """Kinds in which it has no default."""
        if not isinstance(self.default, Mapping):
            return ()
        return tuple(kind for kind in (PAPER, IB_PAPER, LIVE) if kind not in self.default)

    def default_of(self, answers: Answers) -> str | None:
        """None = an answer is needed."""
        if isinstance(self.default, str):
            return self.default
        return self.default.get(answers[KIND]) if isinstance(self.default, Mapping) else self.default(answers)

    def value(self, text: str, answers: Answers) -> tuple[Any, str | None]:
        """The checked value of an answer, and a warning. Raises ConfigError with the reason."""
        found = self._converted(text.strip())
        return found, self.check(found, answers)

    def _converted(self, text: str) -> Any:
        if self.takes is bool and text.lower() in (*YES, *NO):
            return text.lower() in YES
        if self.takes == NAMES:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        try:
            return msgspec.convert(text, self.takes, strict=False)
        except msgspec.ValidationError:
            raise ConfigError(f"{self.field}: {text[:60]!r} is not {self.words}") from None

    @property
    def words(self) -> str:
        """What it takes."""
        if self.takes is bool:
            return "yes or no"
        return "names with commas between" if self.takes == NAMES else expected(self.takes)


def ask(
    field: str, option: str, of: type[msgspec.Struct], default: Default, *, name: str = "", **kept: Any
) -> Question:
    """A question about a field of a struct, with its type and in its words."""
    name = name or field.rpartition(".")[2]
    (found,) = (f for f in msgspec.structs.fields(of) if f.name == name)
    return Question(
        field=field, option=option, takes=found.type, meaning=meanings_of(of)[name], default=default, **kept
    )


def limit(name: str, option: str, **defaults: str) -> Question:
    """A question about a limit of the account."""
    row = ROWS[name]
    return Question(
        field=f"limits.account.{name}",
        option=option,
        takes=float,
        meaning=f"{row.meaning}, in {row.unit}",
        default=defaults,
        check=lambda value, answers: checks.limit(row, value),
    )


def _at_broker(answers: Answers) -> bool:
    return bool(answers[KIND] != PAPER)


KIND_QUESTION: Final = Question(
    field=KIND,
    option="--kind",
    takes=KindName,
    meaning="paper = a made-up market and a simulated venue on this machine; ib_paper = a paper account of IBKR (DU…); "
    "live = a live one: it is watched, and nothing is armed",
    default=PAPER,
)
QUESTIONS: Final = (
    ask("account.id", "--account", AccountSettings, {PAPER: "DU0000001"}, check=checks.account),
    ask("account.tag", "--tag", AccountSettings, lambda answers: str(answers["account.id"]).lower()[-8:]),
    ask(
        "account.start_cash", "--cash", AccountSettings, {PAPER: "1000000", IB_PAPER: "1000000"}, check=checks.cash
    ),
    ask("state_dir", "--state-dir", Config, "state", check=checks.state_dir),
    Question(
        field="instruments",
        option="--symbols",
        takes=NAMES,
        meaning="what may be traded, symbols of US stocks and exchange-traded funds",
        default={PAPER: "ALFA,BETA,GAMA", IB_PAPER: "BAC,IBM"},
        check=checks.symbols,
    ),
    ask(
        "strategies.kind", "--strategy", StrategySettings, {PAPER: "signal", IB_PAPER: "meanrev", LIVE: "meanrev"},
        check=checks.strategy,
    ),
    ask(
        "strategies.params.model", "--model", SignalParams, lambda answers: checks.DEMO_MODEL,
        asked=lambda answers: answers["strategies.kind"] == "signal", check=checks.model,
    ),
    ask("strategies.params.position_dollars", "--position", SignalParams, {PAPER: "40000", IB_PAPER: "10000"}),
    limit("order_notional_max", "--order-max", paper="100000", ib_paper="20000"),
    limit("gross_max", "--gross-max", paper="500000", ib_paper="40000"),
    limit("day_loss_hard_bp", "--day-loss", paper="200", ib_paper="200"),
    ask("ib.host", "--host", IbSettings, "127.0.0.1", asked=_at_broker),
    ask("ib.port", "--port", IbSettings, checks.port_default, check=checks.port),
    ask("feed.speed", "--speed", FeedSettings, "1x", asked=lambda a: a[KIND] == PAPER, check=checks.speed),
    ask("guard.exclusive", "--exclusive", GuardSettings, "no", asked=_at_broker),
    ask("panic.desk", "--desk", PanicSettings, "", asked=lambda answers: answers[KIND] == LIVE),
    ask("alerts.to.urls_file", "--alerts", AlertTarget, "", check=checks.secret_file),
    ask("record.database", "--database", RecordSettings, "", check=checks.database),
    ask(
        "record.password_file", "--password-file", RecordSettings, "", check=checks.secret_file,
        asked=lambda answers: answers["record.database"].startswith("postgresql"),
    ),
    ask("ops.enabled", "--ops", OpsSettings, "yes"),
    ask("ops.port", "--ops-port", OpsSettings, "9470", asked=lambda answers: bool(answers["ops.enabled"])),
)  # fmt: skip
