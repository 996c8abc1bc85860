"""Make spans with a provider of the OpenTelemetry SDK for each tenant, and export them."""

import sys
import time

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

endpoint, tenants, spans = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def make_provider(tenant):
    project = {"openinference.project.name": f"{tenant}-video-search"}
    provider = TracerProvider(resource=Resource.create(project))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
    # Room for all of them: it has no way to wait, and would lose what finds none.
    queue = max(spans // tenants, 512)
    processor = BatchSpanProcessor(exporter, max_queue_size=queue)
    provider.add_span_processor(processor)
    return provider


names = [f"tenant-{number:04}" for number in range(tenants)]
providers = [make_provider(name) for name in names]
tracers = [provider.get_tracer("bench") for provider in providers]


def make(tenant, tracer):
    span = tracer.start_span(
        "ChatCompletion",
        attributes={
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.model_name": "gpt-4o-mini",
            "llm.token_count.prompt": 180,
            "llm.token_count.completion": 74,
            "llm.token_count.total": 254,
            "input.value": "Where does the owl fly home at night?",
            "output.value": "Clip 4711 at 00:12:35 fits best.",
            "score": 0.5,
            "cached": False,
            "tenant.id": tenant,
            "service.name": "video-search",
            "environment": "development",
        },
    )
    span.end()


print("ready", flush=True)
sys.stdin.readline()
began = time.perf_counter()
for number in range(spans):
    make(names[number % tenants], tracers[number % tenants])
for provider in providers:
    provider.force_flush(60_000)
print(time.perf_counter() - began, flush=True)
sys.stdin.readline()
