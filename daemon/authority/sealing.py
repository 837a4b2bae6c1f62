"""The trader's part of the audit trail: takes the chain up at a start, seals what was added, and tells the head where a
journal that is cut cannot take it back.
"""

from typing import TYPE_CHECKING, Final

from core import events as e
from core.latches import ACCOUNT, HALTED
from daemon.authority.trail import falls_short, read_head, resumed_chain, write_head
from daemon.state_dir import StateDirectory

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from daemon.runner import Runner

TEXT_LENGTH_MAX: Final = 80


class Sealing:
    """Of one run of one trader. A broker's account has one trail for ever; a tape can always be run again, and what a
    lost tail of its journal held happens once more.
    """

    def __init__(
        self, state: StateDirectory, runner: "Runner", log: "FilteringBoundLogger", *, one_for_ever: bool
    ) -> None:
        self._state = state.path
        self._runner = runner
        self._log = log
        self.chain = runner.audit = resumed_chain(state.journal, runner.money.audit)
        told = read_head(state.path) if one_for_ever else None
        sealed = runner.money.audit
        self._short = "" if told is None else falls_short(sealed.count, sealed.digest, told)

    def tell_if_short(self, now_ns: int) -> None:
        """Halt when the journal lacks what was told of: books that were cut are not to be traded on."""
        if self._short:
            short = self._short[:TEXT_LENGTH_MAX]
            self._runner.step(
                e.TriggerFired(name="AUDIT", level=ACCOUNT, scope="", state=HALTED, value=short), now_ns
            )  # fmt: skip

    def seal(self) -> None:
        """Bind what was audited since the last time."""
        if not self.chain.unsealed:
            return
        seal = self.chain.seal()
        self._runner.step(seal, self._runner.now_ns)
        write_head(self._state, seal)
        self._log.info("audit", records=seal.count, head=seal.digest)
