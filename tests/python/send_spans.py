"""Send spans with the OpenTelemetry SDK, over OTLP: {"protocol": "grpc" | "http", "endpoint", "headers", "resource", "compression": null | "gzip", "names": [..]} -> how many the exporter was asked for, and whether all left."""

import json
import sys

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

arguments = json.load(sys.stdin)
if arguments["protocol"] == "grpc":
    from grpc import Compression
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    compression = Compression.Gzip if arguments["compression"] else None
    exporter = OTLPSpanExporter(
        endpoint=arguments["endpoint"],
        insecure=True,
        headers=tuple(arguments["headers"].items()),
        compression=compression,
    )
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    compression = Compression.Gzip if arguments["compression"] else None
    exporter = OTLPSpanExporter(
        endpoint=arguments["endpoint"],
        headers=arguments["headers"],
        compression=compression,
    )

provider = TracerProvider(resource=Resource.create(arguments["resource"]))
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("roost-tests", "1.0")
for name in arguments["names"]:
    with tracer.start_as_current_span(name) as span:
        span.set_attribute("openinference.span.kind", "LLM")
        span.set_attribute("user.email", "ann@acme.example")
        span.set_attribute("tags", ["a", "b"])
        span.add_event("seen", {"n": 1})
flushed = provider.force_flush(30_000)
provider.shutdown()
json.dump({"sent": len(arguments["names"]), "flushed": flushed}, sys.stdout)
