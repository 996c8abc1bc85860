"""A provider for Arize Phoenix: spans in over OTLP, which the host speaks; spans out, and annotations of
spans. A class an interface.
"""

import json
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.telemetry_provider import (
    BackendLimits,
    Credential,
    Health,
    OtlpExport,
    OtlpProtocol,
    ProjectRouting_ResourceAttribute,
    ProviderInfo,
    SpanExport_Otlp,
)
from wit_world.exports.trace_store import SpanBatch_Records, SpanPage, TracePage
from wit_world.imports import roost_telemetry_types as types

import service
import spans
from annotations import AnnotationStore as AnnotationStore
from times import to_iso

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "http_endpoint": {
            "type": "string",
            "format": "uri",
            "default": "http://localhost:6006",
            "title": "Where Phoenix serves its API",
        },
        "api_key": {
            "type": "string",
            "writeOnly": True,
            "title": "An API key, if Phoenix wants one",
        },
    },
}


class TelemetryProvider(exports.TelemetryProvider):
    def describe(self):
        return ProviderInfo(
            name="phoenix",
            version="0.1.0",
            summary="Arize Phoenix: spans, and annotations of spans.",
            homepage="https://github.com/Arize-ai/phoenix",
            config_schema=json.dumps(SCHEMA),
            credentials=[Credential("api_key", "authorization", "Bearer {}")],
            limits=BackendLimits(
                max_page_size=1_000,
                max_batch_items=500,
                max_batch_bytes=3_584 * 1_024,
                mixed_projects=True,
                # Phoenix acknowledges spans before it stores them.
                visibility_delay_ms=10_000,
            ),
        )

    def initialize(self, config):
        service.configure(config)

    def configure_span_export(self, project, options):
        endpoint = options.endpoint or service.endpoint() + "/v1/traces"
        # An endpoint with a path speaks HTTP, and one without gRPC.
        has_path = "/" in endpoint.partition("://")[2].rstrip("/")
        protocol = OtlpProtocol.HTTP_PROTOBUF if has_path else OtlpProtocol.GRPC
        routing = ProjectRouting_ResourceAttribute("openinference.project.name")
        return SpanExport_Otlp(OtlpExport(protocol, endpoint, [], [], [], routing))

    def session_attributes(self, project, session_id):
        # Phoenix has one name space of sessions for all projects; plugins/phoenix shows what that takes.
        raise Err(types.Error_Unsupported("this example has no sessions"))

    def trace_url(self, project, trace_id):
        return f"{service.endpoint()}/redirects/traces/{trace_id}"

    def check_health(self):
        begin = time.monotonic_ns()
        version = service.text("/arize_phoenix_version").strip()
        latency_us = (time.monotonic_ns() - begin) // 1_000
        try:
            # The version is open to everybody; this is not.
            service.get("/v1/projects", limit=1)
            authenticated = True
        except Err as error:
            if not isinstance(error.value, types.Error_Unauthenticated):
                raise
            authenticated = False
        return Health(authenticated, version, latency_us, None)


class TraceStore(exports.TraceStore):
    def get_spans(self, query):
        # Predicates and order are left to the host, which `applied` and `ordered` tell it.
        found = listed(
            query.project,
            start_time=to_iso(query.window.start),
            end_time=to_iso(query.window.end),
            parent_id="null" if query.roots_only else None,
            limit=query.page.limit,
            cursor=query.page.cursor,
        )
        return SpanPage(SpanBatch_Records(found[0]), found[1], applied=[], ordered=False)

    def get_span(self, project, span):
        found, _ = listed(project, span_id=span.span_id, trace_id=span.trace_id or None, limit=1)
        if not found:
            raise Err(types.Error_NotFound(f"project `{project}` has no span `{span.span_id}`"))
        return found[0]

    def get_trace(self, project, trace_id, near, page):
        found, cursor = listed(project, trace_id=trace_id, limit=page.limit, cursor=page.cursor)
        if not found and not page.cursor:
            raise Err(types.Error_NotFound(f"project `{project}` has no trace `{trace_id}`"))
        return TracePage(found, cursor)


def listed(project, **parameters):
    """A page of spans in the order in which they came: what comes in meanwhile moves nothing."""
    path = service.project_path(project, "/spans")
    answer = service.get(path, sort="id", order="asc", **parameters)
    return [spans.from_json(wire) for wire in answer["data"]], answer["next_cursor"]
