"""The drill `ship`: a trader whose journal is shipped loses its whole state directory, again and again, and is started
in one made from the copy: once with everything shipped, once with a tail that nobody has. Whoever ships is killed with
kill -9 at random meanwhile. Both ledgers must be the same to the last cent, and no order reference may come twice.
"""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from core.errors import Refused
from core.ids import epoch_of_ref
from daemon.journal import JournalReader, verify
from daemon.journal_fold import JournalFold
from daemon.ship.restore import EPOCHS_SKIPPED
from daemon.status.ship import read_ship
from tests.drills.gateway_crash import LATE_S, ODD_LIMITS, STRATEGY, accounted, go_on, quiet, settle, twice
from tests.fakes.live_pair import ROOT, SYNTHETIC, Pair, ledger_differences, new_pair
from tests.fakes.wall import wall_limits

SPEED: Final = 20
FILLS: Final = 3  # new ones that are waited for, wherever the story waits
SHIP: Final = """
[ship]
to = "copy"
every_s = 0.05
"""
SECONDS_MAX: Final = 60.0


class Story:
    """One pair, the process that ships, and what was found wrong."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.failures: list[str] = []
        self.counts = {"losses": 0, "ship_kills": 0, "fills_lost_with_the_tail": 0}
        self.to = pair.folder / "copy"
        self._chance = random.Random(seed)
        self._ship: subprocess.Popen[bytes] | None = None
        self._books: JournalFold | None = None

    # ---- what runs ---------------------------------------------------------------------------------------------
    def run(self, *words: str, module: str = "daemon.cli", code: int = 0) -> str:
        """One command of ours to its end."""
        done = subprocess.run(
            [sys.executable, "-m", module, *words], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX,
            check=False,
        )  # fmt: skip
        if done.returncode != code:
            raise RuntimeError(f"{words} ended with {done.returncode}: {done.stderr[-1500:]}")
        return done.stdout + done.stderr

    def start_shipping(self) -> None:
        """The process that ships."""
        with (self.pair.folder / "ship.log").open("ab") as log:
            self._ship = subprocess.Popen(
                [sys.executable, "-m", "daemon.ship", "--config", str(self.pair.trader_file)], cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill_shipping(self) -> None:
        """kill -9."""
        if self._ship is not None:
            self._ship.kill()
            self._ship.wait()
            self._ship = None
            self.counts["ship_kills"] += 1

    def ship_log(self) -> str:
        """The end of what it said."""
        path = self.pair.folder / "ship.log"
        return f"\n--- ship\n{path.read_text()[-1500:]}" if path.exists() else ""

    # ---- what is waited for ------------------------------------------------------------------------------------
    def fills(self) -> int:
        """Executions in the journal."""
        if self._books is None:
            self._books = self.pair.books()
        self._books.advance()
        return len(self._books.money.ledger.executions)

    def more_fills(self) -> None:
        """Until there are some more; what a machine under load halts is let go on."""
        before = self.fills()

        def are_there() -> bool:
            if accounted(self.pair):
                go_on(self.pair)
            return self.fills() >= before + FILLS

        self.pair.wait(are_there, f"{FILLS} more fills", running="trader")

    def shipped(self, seq: int) -> bool:
        """Whether the copy has this record."""
        picture = read_ship(self.pair.trader_state)
        return picture is not None and picture.part.seq >= seq

    def ship_under_fire(self) -> None:
        """Ship while the trader trades, killed at random; at the end all up to a moment is in the copy."""
        for _ in range(3):
            self.start_shipping()
            time.sleep(self._chance.uniform(0.0, 1.5))  # the moment of the kill is what is random here
            self.kill_shipping()
        self.start_shipping()
        self.more_fills()
        seq = last_seq(self.pair.trader_state / "journal")
        self.pair.wait(lambda: self.shipped(seq), f"record {seq} is shipped", running="trader")

    # ---- losing it ---------------------------------------------------------------------------------------------
    def lose(self, *, tail: bool) -> None:
        """The machine is gone; with a `tail` it had traded on after the last record that was shipped."""
        pair = self.pair
        if tail:
            self.kill_shipping()
            self.more_fills()
        pair.kill("trader")
        self.kill_shipping()
        known = JournalFold(self.to / "journal").money
        self.fills()
        assert self._books is not None
        lost = self._books.money
        epoch = lost.epoch
        missing = set(lost.ledger.executions) - set(known.ledger.executions)
        self.counts["losses"] += 1
        self.counts["fills_lost_with_the_tail"] += len(missing)
        self.expect(bool(missing) or not tail, "the tail had fills")
        shutil.rmtree(pair.trader_state)
        self._books = None
        told = self.run("journal", "restore", str(self.to), str(pair.trader_state))
        self.expect(f"epoch {known.epoch + EPOCHS_SKIPPED}" in told, told)
        pair.start("trader")
        pair.wait(lambda: accounted(pair), "no order without an answer", running="trader")
        self.look_at_start(epoch, missing)

    def look_at_start(self, epoch: int, missing: set[str]) -> None:
        """HALTED, with a reason; what the tail held is in the books again."""
        pair = self.pair
        status = pair.status()
        assert status is not None
        self.expect(status.ladder == "HALTED", f"it started {status.ladder}")
        told = pair.books().money
        self.expect(told.epoch > epoch, f"epoch {told.epoch} after {epoch}")
        latches = [latch.reason for latch in told.latches.held() if "restored from" in latch.reason]
        self.expect(bool(latches), "no latch says that it was restored")
        self.expect(missing <= set(told.ledger.executions), "fills of the lost tail are not in the books")
        pair.wait(lambda: quiet(pair), "no order works", running="trader")
        time.sleep(LATE_S)  # the last commissions
        self.failures += go_on(pair)

    def expect(self, condition: bool, text: str) -> None:
        """Or it is a failure."""
        if not condition:
            self.failures.append(text)


def last_seq(journal: Path) -> int:
    """Of the newest record."""
    return max(record.last_seq for record in JournalReader(journal).records())


def run_part(number: int) -> dict[str, Any]:
    """One story, by the part's number."""
    return run_story(9_000 + number)


def run_story(seed: int, *, tails: tuple[bool, ...] = (False, True)) -> dict[str, Any]:
    """A loss for each of `tails`, with and without one; then the books are compared, and the copy goes on."""
    began = time.monotonic()
    feed = SYNTHETIC.format(speed=f"{SPEED}x", seed=seed)
    with new_pair(feed=feed, strategy=STRATEGY + ODD_LIMITS + wall_limits(SPEED), trader=SHIP) as pair:
        story = Story(pair, seed)
        try:
            story.run("journal", "ship", "--new", "-c", str(pair.trader_file))
            pair.start("gateway")
            pair.start("trader")
            story.more_fills()
            for tail in tails:
                story.ship_under_fire()
                story.lose(tail=tail)
            story.more_fills()
            settle(pair)
            epochs = {epoch_of_ref(order.order_ref) for order in pair.books().money.orders.values() if order.order_ref}
            story.expect(max(epochs) > len(tails) * EPOCHS_SKIPPED, f"epochs of orders: {sorted(epochs)}")
            story.expect(pair.stop("trader") == 0, "the trader did not end well")
            story.failures += ledger_differences(pair) + twice(pair)
            story.run("journal", "ship", "--once", "-c", str(pair.trader_file))
            story.failures += verify(story.to / "journal").problems
            same = verify(story.to / "journal").digests == verify(pair.trader_state / "journal").digests
            story.expect(same, "the copy is not the journal")
            story.counts |= {"orders": len(pair.books().money.orders), "fills": story.fills()}
        except (RuntimeError, Refused) as fault:
            story.failures.append(f"{fault}{story.ship_log()}")
        finally:
            story.kill_shipping()
    return {
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "counts": story.counts,
        "failures": [f"seed {seed}: {text}" for text in story.failures],
    }
