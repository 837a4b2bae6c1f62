"""Whose order it is when the broker shows one with our tag that the books do not have: of a lost tail of our own
journal, or of a second trader on the account. Pure.
"""

from core.ids import epoch_of_ref, is_own_ref
from core.money.state import Money


def rival(m: Money, order_ref: str) -> str:
    """Why an order that the books lack can only be another trader's, in words; "" = it may be of a lost tail.

    An epoch is used by one start alone and is on the disk before it is: none above ours can be ours, all of our own we
    know, and what an earlier run left was there at the first complete synchronisation.
    """
    if not is_own_ref(order_ref, m.settings.account_tag):
        return ""
    epoch = epoch_of_ref(order_ref)
    if epoch < 0 or any(order.order_ref == order_ref for order in m.orders.values()):
        return ""  # no epoch at all, or a twin of an order of ours
    if epoch > m.epoch:
        return f"order {order_ref} is of epoch {epoch} and this trader runs {m.epoch}: another trader uses this account"
    if epoch == m.epoch:
        return f"order {order_ref} is of this run's epoch and was not sent here: a copy of this trader runs elsewhere"
    if m.synced:
        return f"order {order_ref} of epoch {epoch} appeared while this trader runs: an older copy of it still trades"
    return ""


def meet_rival(m: Money, order_ref: str) -> None:
    """Remember for this step what another trader alone can have sent."""
    found = rival(m, order_ref)
    if found and found not in m.rivals:
        m.rivals.append(found)
