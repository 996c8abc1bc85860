"""A span as the service spells it, and as the contract does.

Times and whole numbers are texts in the service's JSON, as in OTLP's: not every reader of JSON keeps
all digits of a large number."""

from wit_world.imports import roost_telemetry_types as types

STATUS = {
    types.StatusCode.UNSET: "unset",
    types.StatusCode.OK: "ok",
    types.StatusCode.ERROR: "error",
}
STATUS_CODE = {name: code for code, name in STATUS.items()}


def to_json(span: types.Span) -> dict:
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "status": STATUS[span.status],
        "status_message": span.status_message,
        "start": str(span.start_time),
        "end": str(span.end_time),
        "attributes": [attribute_to_json(it) for it in span.attributes],
        "events": [
            {
                "name": event.name,
                "time": str(event.time),
                "attributes": [attribute_to_json(it) for it in event.attributes],
            }
            for event in span.events
        ],
    }


def from_json(wire: dict) -> types.Span:
    return types.Span(
        trace_id=wire["trace_id"],
        span_id=wire["span_id"],
        parent_id=wire["parent_id"],
        name=wire["name"],
        kind=wire["kind"],
        status=STATUS_CODE[wire["status"]],
        status_message=wire["status_message"],
        start_time=int(wire["start"]),
        end_time=int(wire["end"]),
        attributes=[attribute_from_json(it) for it in wire["attributes"]],
        events=[
            types.Event(
                event["name"],
                int(event["time"]),
                [attribute_from_json(it) for it in event["attributes"]],
            )
            for event in wire["events"]
        ],
        links=[],
        resource=[],
    )


def attribute_to_json(attribute: types.Attribute) -> dict:
    match attribute.value:
        case types.AttributeValue_Text(text):
            value = {"text": text}
        case types.AttributeValue_Boolean(boolean):
            value = {"boolean": boolean}
        case types.AttributeValue_Integer(integer):
            value = {"integer": str(integer)}
        case types.AttributeValue_Number(number):
            value = {"number": number}
        case types.AttributeValue_Json(json):
            value = {"json": json}
    return {"key": attribute.key, **value}


def attribute_from_json(wire: dict) -> types.Attribute:
    match wire:
        case {"text": text}:
            value = types.AttributeValue_Text(text)
        case {"boolean": boolean}:
            value = types.AttributeValue_Boolean(boolean)
        case {"integer": integer}:
            value = types.AttributeValue_Integer(int(integer))
        case {"number": number}:
            value = types.AttributeValue_Number(float(number))
        case {"json": json}:
            value = types.AttributeValue_Json(json)
    return types.Attribute(wire["key"], value)
