"""A Roost provider: it translates the contract in `wit/deps/roost-telemetry` to the HTTP of a backend.
This one is for the practice service of `roost`; `service.py` is what to change first.

A class an interface. Add one of the contract to `wit/world.wit`, and its class here.
"""

import json
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.span_sink import ExportOutcome
from wit_world.exports.telemetry_provider import (
    BackendLimits,
    Credential,
    Health,
    ProviderInfo,
    SpanExport_Sink,
)
from wit_world.exports.trace_store import SpanBatch_Records, SpanPage, TracePage
from wit_world.imports import roost_telemetry_types as types

import service
import spans
from service import part

# The configuration. `format: uri` lets the provider reach what the operator sets; a `writeOnly`
# property is a secret that the host sends, as `credentials` says, and we never see.
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "http_endpoint": {
            "type": "string",
            "format": "uri",
            "default": "http://localhost:8080",
            "title": "Where the service is",
        },
        "api_key": {
            "type": "string",
            "writeOnly": True,
            "title": "The key to the service, if it wants one",
        },
    },
}


class TelemetryProvider(exports.TelemetryProvider):
    """What this provider is, and how its backend is reached."""

    def describe(self):
        return ProviderInfo(
            name="{{name}}",
            version="0.1.0",
            summary="Reads and writes the spans of the practice service.",
            homepage="",
            config_schema=json.dumps(SCHEMA),
            credentials=[Credential("api_key", "authorization", "Bearer {}")],
            limits=BackendLimits(
                max_page_size=1_000,
                max_batch_items=500,
                max_batch_bytes=4 << 20,
                mixed_projects=False,
                visibility_delay_ms=0,
            ),
        )

    def initialize(self, config):
        service.configure(config)

    def configure_span_export(self, project, options):
        return SpanExport_Sink()

    def session_attributes(self, project, session_id):
        return [types.Attribute("session.id", types.AttributeValue_Text(session_id))]

    def trace_url(self, project, trace_id):
        return None

    def check_health(self):
        begin = time.monotonic_ns()
        try:
            version, authenticated = service.get("/health")["version"], True
        except Err as error:
            # A credential that is not accepted is an answer.
            if not isinstance(error.value, types.Error_Unauthenticated):
                raise
            version, authenticated = "", False
        return Health(authenticated, version, (time.monotonic_ns() - begin) // 1_000, None)


class TraceStore(exports.TraceStore):
    """Spans on their way out."""

    def get_spans(self, query):
        # The service knows the window and roots; predicates and order are left to the host, which
        # `applied` and `ordered` tell it.
        path = (
            f"/projects/{part(query.project)}/spans"
            f"?start={query.window.start}&end={query.window.end}"
            f"&roots={str(query.roots_only).lower()}&limit={query.page.limit}"
        )
        found, cursor = page(path, query.page.cursor)
        return SpanPage(SpanBatch_Records(found), cursor, applied=[], ordered=False)

    def get_span(self, project, span):
        wire = service.get(f"/projects/{part(project)}/spans/{part(span.span_id)}")
        return spans.from_json(wire)

    def get_trace(self, project, trace_id, near, page_request):
        path = f"/projects/{part(project)}/traces/{part(trace_id)}?limit={page_request.limit}"
        return TracePage(*page(path, page_request.cursor))


class SpanSink(exports.SpanSink):
    """Spans on their way in, for a backend without OTLP. One that takes OTLP needs none: it says where
    in `configure_span_export`, and the host sends them."""

    def export(self, project, resource_attributes, sent):
        body = {"spans": [spans.to_json(span) for span in sent]}
        answer = service.post(f"/projects/{part(project)}/spans", body)
        return ExportOutcome(accepted=answer["accepted"], rejected=[])


def page(path, cursor):
    """A page of the service's listings: its spans, and where the next one begins."""
    answer = service.get(path + (f"&after={part(cursor)}" if cursor else ""))
    return [spans.from_json(wire) for wire in answer["spans"]], answer["next"]
