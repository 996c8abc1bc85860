"""A span as Phoenix spells it, and as the contract does."""

import json

from wit_world.imports import roost_telemetry_types as types

from times import from_iso

STATUS = {"OK": types.StatusCode.OK, "ERROR": types.StatusCode.ERROR}


def from_json(wire: dict) -> types.Span:
    events = [
        types.Event(event["name"], from_iso(event["timestamp"]), attributes(event["attributes"]))
        for event in wire["events"]
    ]
    return types.Span(
        trace_id=wire["context"]["trace_id"],
        span_id=wire["context"]["span_id"],
        parent_id=wire["parent_id"] or None,
        name=wire["name"],
        kind=(wire["span_kind"] or "UNKNOWN").upper(),
        status=STATUS.get(wire["status_code"], types.StatusCode.UNSET),
        status_message=wire["status_message"],
        start_time=from_iso(wire["start_time"]),
        end_time=from_iso(wire["end_time"]),
        attributes=attributes(wire["attributes"]),
        events=sorted(events, key=lambda event: event.time),
        # Phoenix keeps neither.
        links=[],
        resource=[],
    )


def attributes(wire: dict) -> list[types.Attribute]:
    """Phoenix hands attributes out flat. A null is none."""
    return [types.Attribute(key, value(it)) for key, it in wire.items() if it is not None]


def value(wire) -> types.AttributeValue:
    match wire:
        case bool():
            return types.AttributeValue_Boolean(wire)
        case int() if -(2**63) <= wire < 2**63:
            return types.AttributeValue_Integer(wire)
        case int() | float():
            return types.AttributeValue_Number(float(wire))
        case str():
            return types.AttributeValue_Text(wire)
    return types.AttributeValue_Json(json.dumps(wire))
