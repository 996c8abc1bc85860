"""Read the annotations of spans: {"project": name, "span_ids": [id]} -> [annotation]."""

import json
import sys

from phoenix.client import Client

arguments = json.load(sys.stdin)
annotations = Client().spans.get_span_annotations(
    project_identifier=arguments["project"],
    span_ids=arguments["span_ids"],
    timeout=60,
)
json.dump(annotations, sys.stdout)
