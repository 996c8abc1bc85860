"""Numbers over the spans of a project: {"project": name} -> {name: number}."""

import json
import statistics
import sys
from datetime import datetime

from phoenix.client import Client

arguments = json.load(sys.stdin)
spans = Client().spans.get_spans(
    project_identifier=arguments["project"], limit=100_000, timeout=60
)


def microseconds(text):
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def total(key):
    return sum(span["attributes"].get(key, 0) for span in spans)


latencies = [
    (microseconds(span["end_time"]) - microseconds(span["start_time"])) / 1_000 for span in spans
]
# The line between two places, as NumPy draws it.
cuts = statistics.quantiles(latencies, n=100, method="inclusive")
json.dump(
    {
        "SpanCount": len(spans),
        "TraceCount": len({span["context"]["trace_id"] for span in spans}),
        "LatencyMean": statistics.fmean(latencies),
        "LatencyP50": cuts[49],
        "LatencyP95": cuts[94],
        "LatencyP99": cuts[98],
        "ErrorRate": statistics.fmean(span["status_code"] == "ERROR" for span in spans),
        "PromptTokens": total("llm.token_count.prompt"),
        "CompletionTokens": total("llm.token_count.completion"),
        "TotalTokens": total("llm.token_count.total"),
        "Cost": total("llm.cost.total"),
    },
    sys.stdout,
)
