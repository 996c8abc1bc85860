"""Makes tests/fixtures/langfuse-openapi.json of the API that Langfuse publishes at
https://cloud.langfuse.com/generated/api/openapi.yml: the operations that the provider uses and the
schemas these need, without prose. It changes nothing else of them. It wants PyYAML.

    .venv/bin/python tests/python/reduce_openapi.py openapi.yml > tests/fixtures/langfuse-openapi.json
"""

import json
import sys

import yaml

USED = {
    "/api/public/dataset-items": ["get", "post"],
    "/api/public/health": ["get"],
    "/api/public/otel/v1/traces": ["post"],
    "/api/public/projects": ["get"],
    "/api/public/scores": ["post"],
    "/api/public/scores/{scoreId}": ["delete"],
    "/api/public/traces": ["delete"],
    "/api/public/v2/datasets": ["get", "post"],
    "/api/public/v2/datasets/{datasetName}": ["get"],
    "/api/public/v2/observations": ["get"],
    "/api/public/v3/scores": ["get"],
}
SCHEMAS = "#/components/schemas/"


def without_prose(node, names=False):
    """`names`: the keys of this object are names that somebody chose."""
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    prose = set() if names else {"description", "title", "tags", "operationId", "security"}
    return {
        key: without_prose(value, key in ("properties", "schemas", "paths", "responses"))
        for key, value in node.items()
        if key not in prose
    }


def references(node):
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(SCHEMAS):
            yield reference.removeprefix(SCHEMAS)
        for value in node.values():
            yield from references(value)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = yaml.safe_load(file)
    paths = {
        path: {method: document["paths"][path][method] for method in methods}
        for path, methods in USED.items()
    }
    needed, waiting = set(), set(references(paths))
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting |= set(references(document["components"]["schemas"][name])) - needed
    schemas = {name: document["components"]["schemas"][name] for name in sorted(needed)}
    reduced = {
        "openapi": document["openapi"],
        "paths": without_prose(paths, names=True),
        "components": {"schemas": without_prose(schemas, names=True)},
    }
    json.dump(reduced, sys.stdout, indent=1, ensure_ascii=False, default=str)
    print()


main()
