"""A record as the venue takes it, and a new record from a draft. Pure."""

from broker.gateway.orders.draft import Draft
from broker.gateway.orders.record import OrderRecord
from broker.gateway.orders.request import PlaceRequest
from broker.sim.terms import OrderTerms


def new_record(
    draft: Draft, request: PlaceRequest, *, number: int, perm_id: int, client_id: int, ts_ns: int
) -> OrderRecord:
    """An order that nobody has sent yet."""
    return OrderRecord(
        number=number,
        perm_id=perm_id,
        client_id=client_id,
        order_id=request.order_id,
        account=draft.account,
        inst=draft.inst,
        side=draft.side,
        order_type=draft.order_type,
        tif=draft.tif,
        request=request,
        qty_nanos=draft.qty_nanos,
        limit_px_nanos=draft.limit_px_nanos,
        oca_group=draft.oca_group,
        oca_type=draft.oca_type,
        parent_order_id=request.integer("parentId"),
        created_ns=ts_ns,
    )


def venue_terms(record: OrderRecord, draft: Draft, *, version: int = 0) -> OrderTerms:
    """What the venue is told: at first, or with a version as a change of everything that may change."""
    return OrderTerms(
        order_id=record.number,
        perm_id=record.perm_id,
        order_ref=record.request.text("orderRef"),
        client_id=record.client_id,
        inst=record.inst,
        side=record.side,
        qty_nanos=record.qty_nanos if not version else draft.qty_nanos,
        order_type=record.order_type,
        tif=draft.tif,
        limit_px_nanos=draft.limit_px_nanos,
        stop_px_nanos=draft.stop_px_nanos,
        trail_nanos=draft.trail_nanos,
        trail_ppm=draft.trail_ppm,
        gtd_ts_ns=draft.gtd_ts_ns,
        outside_rth=draft.outside_rth,
        oca_group=record.oca_group,
        oca_type=record.oca_type,
        recipe=draft.recipe,
        version=version,
        hours=version > 0,
    )
