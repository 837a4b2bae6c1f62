"""Orders of ours that the books lack: of a lost tail, or of a second trader on the account."""

from pathlib import Path

import pytest

from core import events as e
from core.ids import epoch_of_ref
from core.latches import HALTED
from core.units import NANO
from tests.fakes.live import LiveWorld, opened


def listed(ref: str, sync_id: int, order_id: int) -> e.OpenOrderReported:
    """One of the broker's open orders."""
    return e.OpenOrderReported(
        sync_id=sync_id, order_id=order_id, order_ref=ref, perm_id=order_id, inst=0, side=1, qty_nanos=100 * NANO,
        filled_nanos=0, status=e.SUBMITTED, limit_px_nanos=20 * NANO, client_id=11,
    )  # fmt: skip


def codes(world: LiveWorld) -> set[str]:
    """Of the account's latches, without that of a link that has only just come back: it lifts itself."""
    return {latch.code for latch in world.runner.money.latches.held()} - {"LINK"}


def restarted(folder: Path) -> LiveWorld:
    """A trader in its fourth epoch, whose first synchronisation is still to come."""
    world = opened(folder)
    world.tell(e.LinkLost(reason="restart"))
    started = e.TraderStarted(
        epoch=4, mode="paper", ended="clean", after_crash="as_latched", guard_fired=False, changed=""
    )
    world.tell(started, e.LinkRestored(reason="session"))
    return world


@pytest.mark.parametrize(("epoch", "halts"), [(3, False), (4, True), (5, True)])
def test_at_the_first_look_only_an_earlier_epoch_is_a_lost_tail(tmp_path: Path, epoch: int, halts: bool) -> None:
    """Taken over in each case, so that it can be cancelled; of our own epoch or a later one it is another trader's."""
    world = restarted(tmp_path)
    world.sync(sync_id=2, facts=(listed(f"q-du1-{epoch}-z", 2, 900),))
    money = world.runner.money
    assert 900 in money.live_orders
    assert ("SECOND_TRADER" in codes(world)) == halts
    assert (money.latches.everywhere == HALTED) == halts
    world.close()


def test_an_old_epoch_that_appears_later_is_an_older_copy(tmp_path: Path) -> None:
    """What an earlier run left was there at the first complete look."""
    world = restarted(tmp_path)
    world.sync(sync_id=2)
    assert not codes(world)
    world.sync(sync_id=3, facts=(listed("q-du1-2-z", 3, 901),))
    assert codes(world) == {"SECOND_TRADER"}
    (latch,) = [latch for latch in world.runner.money.latches.held() if latch.code == "SECOND_TRADER"]
    assert "q-du1-2-z of epoch 2 appeared while this trader runs" in latch.reason
    world.close()


def test_a_fill_of_an_order_never_listed_tells_it_too(tmp_path: Path) -> None:
    """A second trader's orders may be done before any list shows them."""
    world = restarted(tmp_path)
    world.sync(sync_id=2)
    world.tell(
        e.OrderFilled(
            order_id=950, exec_id="9.1.01", side=1, qty_nanos=NANO, px_nanos=20 * NANO, inst=0, order_ref="q-du1-9-a"
        )
    )
    assert "SECOND_TRADER" in codes(world)
    world.close()


def test_other_tags_twins_and_odd_references_are_no_rivals(tmp_path: Path) -> None:
    """Foreign orders are foreign; one without an epoch says nothing."""
    assert [epoch_of_ref(ref) for ref in ("q-du1-12-z", "q-du1-x-z", "q-du1-3", "manual")] == [12, -1, -1, -1]
    world = restarted(tmp_path)
    world.sync(sync_id=2)
    world.sync(sync_id=3, facts=(listed("q-other-9-z", 3, 902), listed("", 3, 903)))
    assert "SECOND_TRADER" not in codes(world)
    world.close()
