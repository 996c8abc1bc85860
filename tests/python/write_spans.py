"""Write spans, in Phoenix's own form, into a project: {"project": name, "spans": [span]} -> what it counted."""

import json
import sys

from phoenix.client import Client

arguments = json.load(sys.stdin)
counts = Client().spans.log_spans(
    project_identifier=arguments["project"],
    spans=arguments["spans"],
    timeout=60,
)
json.dump(counts, sys.stdout)
