"""Write annotations of spans, in Phoenix's own form: {"annotations": [annotation]} -> [{"id"}]."""

import json
import sys

from phoenix.client import Client

arguments = json.load(sys.stdin)
written = Client().spans.log_span_annotations(
    span_annotations=arguments["annotations"],
    sync=True,
)
json.dump(written, sys.stdout)
