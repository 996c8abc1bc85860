// Annotations of spans. Phoenix has them for traces and sessions as well: three endpoints alike, of which
// this example shows one.
//
// Phoenix writes and deletes by id, whatever project the id belongs to. A call of the contract stays in the
// project it names, so each looks there first.

import { parse, stringify } from './json.js';
import { get, post, projectPath } from './service.js';
import { fromIso } from './times.js';

const DELETE = `mutation ($ids: [ID!]!) {
  deleteSpanAnnotations(input: { annotationIds: $ids }) { __typename }
}`;

export const annotationStore = {
  addAnnotations(project, annotations) {
    const ids = annotations.map(({ target }) => spanId(target));
    expectSpans(project, new Set(ids));
    // Only a synchronous write says what it did.
    const written = post('/v1/span_annotations?sync=true', { data: annotations.map(toJson) });
    // An id tells the span, without which it could not be found again.
    return written.data.map(({ id }, place) => `${ids[place]}:${id}`);
  },

  getAnnotations(project, targets, names, page) {
    // The trace of a span, where the caller knows it: Phoenix does not say.
    const traces = new Map(targets.map((target) => [spanId(target), target.val.traceId]));
    const found = listed(project, [...traces.keys()], names, page.limit, page.cursor);
    const annotations = found.data.map((wire) => fromJson(wire, traces));
    return { annotations, cursor: found.next_cursor ?? undefined };
  },

  deleteAnnotations(project, { tag, val }) {
    let doomed;
    if (tag === 'ids') {
      const pairs = val.map((id) => id.split(':'));
      const wanted = new Set(pairs.map(([, id]) => id));
      const spans = [...new Set(pairs.map(([span]) => span))];
      doomed = everything(project, spans, undefined).filter(({ id }) => wanted.has(id));
    } else {
      const { target, name, identifier } = val;
      const found = everything(project, [spanId(target)], [name]);
      doomed = found.filter((it) => identifier === undefined || identifier === it.identifier);
    }
    if (doomed.length === 0) return;
    const ids = doomed.map(({ id }) => id);
    const { errors } = post('/graphql', { query: DELETE, variables: { ids } });
    if (errors) throw { tag: 'backend', val: { status: 200, excerpt: stringify(errors).slice(0, 500) } };
  },
};

function spanId({ tag, val }) {
  if (tag === 'span') return val.spanId;
  throw { tag: 'unsupported', val: 'this example annotates spans, no traces and no sessions' };
}

function expectSpans(project, ids) {
  const path = projectPath(project, '/spans');
  const { data } = get(path, { span_id: [...ids], limit: ids.size });
  for (const { context } of data) ids.delete(context.span_id);
  const [missing] = ids;
  if (missing) throw { tag: 'not-found', val: `project \`${project}\` has no span \`${missing}\`` };
}

// A page of the annotations of some spans.
function listed(project, spans, names, limit, cursor) {
  const path = projectPath(project, '/span_annotations');
  const none = { data: [], next_cursor: null };
  if (names?.length === 0) return none;
  try {
    return get(path, { span_ids: spans, include_annotation_names: names, limit, cursor });
  } catch (error) {
    // It is said of a project that does not exist, and also where none of the spans does.
    if (error.tag !== 'not-found') throw error;
    get(projectPath(project, ''));
    return none;
  }
}

function everything(project, spans, names) {
  const all = [];
  let cursor;
  do {
    const page = listed(project, spans, names, 1_000, cursor);
    all.push(...page.data);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return all;
}

function toJson({ target, name, annotator, label, score, explanation, metadata, identifier }) {
  return {
    span_id: spanId(target),
    name,
    annotator_kind: annotator.toUpperCase(),
    result: { label, score, explanation },
    metadata: metadata === undefined ? null : parse(metadata),
    identifier,
  };
}

function fromJson(wire, traces) {
  const { label, score, explanation } = wire.result ?? {};
  const hasMetadata = wire.metadata && Object.keys(wire.metadata).length > 0;
  const traceId = traces.get(wire.span_id) ?? '';
  return {
    id: `${wire.span_id}:${wire.id}`,
    target: { tag: 'span', val: { traceId, spanId: wire.span_id, near: undefined } },
    name: wire.name,
    annotator: wire.annotator_kind.toLowerCase(),
    label: label ?? undefined,
    score: score == null ? undefined : Number(score),
    explanation: explanation ?? undefined,
    // Phoenix keeps an empty object where there was none.
    metadata: hasMetadata ? stringify(wire.metadata) : undefined,
    identifier: wire.identifier,
    createdAt: fromIso(wire.created_at),
    updatedAt: fromIso(wire.updated_at),
  };
}
