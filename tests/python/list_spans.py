"""List the spans of a project: {"project": name, "limit"?: 1000} -> [span]."""

import json
import sys

from phoenix.client import Client

arguments = json.load(sys.stdin)
spans = Client().spans.get_spans(
    project_identifier=arguments["project"],
    limit=arguments.get("limit", 1000),
    timeout=60,
)
json.dump(spans, sys.stdout)
