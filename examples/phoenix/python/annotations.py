"""Annotations of spans. Phoenix has them for traces and sessions as well: three endpoints alike, of
which this example shows one.

Phoenix writes and deletes by id, whatever project the id belongs to. A call of the contract stays in the
project it names, so each looks there first.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.annotation_store import (
    Annotation,
    AnnotationPage,
    Selection_Ids,
    Target_Span,
)
from wit_world.imports import roost_telemetry_types as types

import service
from times import from_iso

KINDS = {
    types.AnnotatorKind.HUMAN: "HUMAN",
    types.AnnotatorKind.LLM: "LLM",
    types.AnnotatorKind.CODE: "CODE",
}
KIND = {name: kind for kind, name in KINDS.items()}

DELETE = """mutation ($ids: [ID!]!) {
    deleteSpanAnnotations(input: { annotationIds: $ids }) { __typename }
}"""


class AnnotationStore(exports.AnnotationStore):
    def add_annotations(self, project, annotations):
        ids = [span_id(annotation.target) for annotation in annotations]
        expect_spans(project, set(ids))
        body = {"data": [to_json(annotation) for annotation in annotations]}
        # Only a synchronous write says what it did.
        written = service.post("/v1/span_annotations?sync=true", body)["data"]
        # An id tells the span, without which it could not be found again.
        return [f"{span}:{it['id']}" for span, it in zip(ids, written)]

    def get_annotations(self, project, targets, names, page):
        # The trace of a span, where the caller knows it: Phoenix does not say.
        traces = {span_id(target): target.value.trace_id for target in targets}
        found = listed(project, list(traces), names, page.limit, page.cursor)
        return AnnotationPage([from_json(it, traces) for it in found["data"]], found["next_cursor"])

    def delete_annotations(self, project, selection):
        if isinstance(selection, Selection_Ids):
            pairs = [id.partition(":") for id in selection.value]
            wanted = {id for _, _, id in pairs}
            found = everything(project, sorted({span for span, _, _ in pairs}), None)
            doomed = [it["id"] for it in found if it["id"] in wanted]
        else:
            key = selection.value
            found = everything(project, [span_id(key.target)], [key.name])
            doomed = [it["id"] for it in found if key.identifier in (None, it["identifier"])]
        if doomed:
            answer = service.post("/graphql", {"query": DELETE, "variables": {"ids": doomed}})
            if answer.get("errors"):
                raise Err(types.Error_Backend(types.BackendFailure(200, str(answer["errors"])[:500])))


def span_id(target) -> str:
    if not isinstance(target, Target_Span):
        raise Err(types.Error_Unsupported("this example annotates spans, no traces and no sessions"))
    return target.value.span_id


def expect_spans(project, ids):
    path = service.project_path(project, "/spans")
    found = service.get(path, span_id=sorted(ids), limit=len(ids))["data"]
    missing = ids - {it["context"]["span_id"] for it in found}
    if missing:
        raise Err(types.Error_NotFound(f"project `{project}` has no span `{min(missing)}`"))


def listed(project, spans, names, limit, cursor):
    """A page of the annotations of some spans."""
    path = service.project_path(project, "/span_annotations")
    if names == []:
        return {"data": [], "next_cursor": None}
    try:
        return service.get(
            path, span_ids=spans, include_annotation_names=names, limit=limit, cursor=cursor
        )
    except Err as error:
        # It is said of a project that does not exist, and also where none of the spans does.
        if not isinstance(error.value, types.Error_NotFound):
            raise
        service.get(service.project_path(project, ""))
        return {"data": [], "next_cursor": None}


def everything(project, spans, names):
    cursor = None
    while True:
        page = listed(project, spans, names, 1_000, cursor)
        yield from page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def to_json(annotation) -> dict:
    return {
        "span_id": span_id(annotation.target),
        "name": annotation.name,
        "annotator_kind": KINDS[annotation.annotator],
        "result": {
            "label": annotation.label,
            "score": annotation.score,
            "explanation": annotation.explanation,
        },
        "metadata": json.loads(annotation.metadata) if annotation.metadata else None,
        "identifier": annotation.identifier,
    }


def from_json(wire, traces) -> Annotation:
    span, result = wire["span_id"], wire["result"] or {}
    return Annotation(
        id=f"{span}:{wire['id']}",
        target=Target_Span(types.SpanRef(traces.get(span, ""), span, None)),
        name=wire["name"],
        annotator=KIND[wire["annotator_kind"]],
        label=result.get("label"),
        score=result.get("score"),
        explanation=result.get("explanation"),
        # Phoenix keeps an empty object where there was none.
        metadata=json.dumps(wire["metadata"]) if wire["metadata"] else None,
        identifier=wire["identifier"],
        created_at=from_iso(wire["created_at"]),
        updated_at=from_iso(wire["updated_at"]),
    )
