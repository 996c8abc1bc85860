"""Read a dataset: {"dataset": name, "version"?: id} -> {"id", "version", "metadata", "examples": [example]}."""

import json
import sys

from phoenix.client import Client

arguments = json.load(sys.stdin)
dataset = Client().datasets.get_dataset(
    dataset=arguments["dataset"],
    version_id=arguments.get("version"),
    timeout=60,
)
json.dump(
    {
        "id": dataset.id,
        "version": dataset.version_id,
        "metadata": dataset.metadata,
        "examples": list(dataset.examples),
    },
    sys.stdout,
    default=str,
)
