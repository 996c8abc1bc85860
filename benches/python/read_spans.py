"""Read the spans of a project with Phoenix's own client, once for each line of input."""

import sys

from phoenix.client import Client

endpoint, project, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = Client(base_url=endpoint)
for _ in sys.stdin:
    spans = client.spans.get_spans(
        project_identifier=project, limit=count, timeout=120
    )
    print(len(spans), flush=True)
