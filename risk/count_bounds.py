"""The limits of what orders add up to over time, as plain integers: per account and strategy what may be sent in a
second, a minute and an hour, per strategy how often it may act alone (controls 10 to 12), and what a strategy was
deployed for with its ramp (control 43). Knows no order and no count.
"""

from collections.abc import Mapping

import msgspec

from core.units import BP


class CountBounds(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one account or strategy may do in a time, and one schedule in all (controls 10 to 12)."""

    value_least_nanos: int  # the smallest of the three: what is within it is within all
    quantity_least_nanos: int
    value_second_max_nanos: int
    value_minute_max_nanos: int
    value_hour_max_nanos: int
    quantity_second_max_nanos: int
    quantity_minute_max_nanos: int
    quantity_hour_max_nanos: int
    children_slices_bp_max: int
    children_extra_max: int
    parents_day_max: int
    parents_unattended_max: int
    duplicate_refusals_max: int


class DeploymentBounds(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one strategy was deployed for (control 43), before its ramp."""

    instruments_max: int
    venues_max: int
    px_max_nanos: int
    order_notional_max_nanos: int
    orders_day_max: int
    position_notional_max_nanos: int
    ramp_days: int
    ramp_start_bp: int


def count_bounds(v: Mapping[str, int]) -> CountBounds:
    """From the values of one scope, by limit."""
    return CountBounds(
        value_least_nanos=min(v["value_second_max"], v["value_minute_max"], v["value_hour_max"]),
        quantity_least_nanos=min(v["quantity_second_max"], v["quantity_minute_max"], v["quantity_hour_max"]),
        value_second_max_nanos=v["value_second_max"],
        value_minute_max_nanos=v["value_minute_max"],
        value_hour_max_nanos=v["value_hour_max"],
        quantity_second_max_nanos=v["quantity_second_max"],
        quantity_minute_max_nanos=v["quantity_minute_max"],
        quantity_hour_max_nanos=v["quantity_hour_max"],
        children_slices_bp_max=v["children_slices_bp_max"],
        children_extra_max=v["children_extra_max"],
        parents_day_max=v["parents_day_max"],
        parents_unattended_max=v["parents_unattended_max"],
        duplicate_refusals_max=v["duplicate_refusals_max"],
    )


def deployment_bounds(v: Mapping[str, int]) -> DeploymentBounds:
    """From the values of one scope, by limit."""
    return DeploymentBounds(
        instruments_max=v["deployment_instruments_max"],
        venues_max=v["deployment_venues_max"],
        px_max_nanos=v["deployment_px_max"],
        order_notional_max_nanos=v["deployment_order_notional_max"],
        orders_day_max=v["deployment_orders_day_max"],
        position_notional_max_nanos=v["deployment_position_notional_max"],
        ramp_days=v["deployment_ramp_days"],
        ramp_start_bp=v["deployment_ramp_start_bp"],
    )


def ramped(bounds: DeploymentBounds, days: int) -> DeploymentBounds:
    """As they bind after so many trading days: value, orders and position rise evenly from the start to all of it."""
    if days >= bounds.ramp_days:
        return bounds
    start = min(bounds.ramp_start_bp, BP)
    part = start + (BP - start) * days // bounds.ramp_days
    return msgspec.structs.replace(
        bounds,
        order_notional_max_nanos=bounds.order_notional_max_nanos * part // BP,
        orders_day_max=bounds.orders_day_max * part // BP,
        position_notional_max_nanos=bounds.position_notional_max_nanos * part // BP,
    )
