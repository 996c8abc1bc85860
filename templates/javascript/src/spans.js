// A span as the service spells it, and as the contract does.
//
// Times and whole numbers are texts in the service's JSON, as in OTLP's: JavaScript's numbers do not
// keep all of their digits. The contract has them as BigInt.

export function toJson(span) {
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    parent_id: span.parentId ?? null,
    name: span.name,
    kind: span.kind,
    status: span.status,
    status_message: span.statusMessage,
    start: String(span.startTime),
    end: String(span.endTime),
    attributes: span.attributes.map(attributeToJson),
    events: span.events.map(({ name, time, attributes }) => ({
      name,
      time: String(time),
      attributes: attributes.map(attributeToJson),
    })),
  };
}

export function fromJson(wire) {
  return {
    traceId: wire.trace_id,
    spanId: wire.span_id,
    parentId: wire.parent_id ?? undefined,
    name: wire.name,
    kind: wire.kind,
    status: wire.status,
    statusMessage: wire.status_message,
    startTime: BigInt(wire.start),
    endTime: BigInt(wire.end),
    attributes: wire.attributes.map(attributeFromJson),
    events: wire.events.map(({ name, time, attributes }) => ({
      name,
      time: BigInt(time),
      attributes: attributes.map(attributeFromJson),
    })),
    links: [],
    resource: [],
  };
}

function attributeToJson({ key, value: { tag, val } }) {
  return { key, [tag]: tag === 'integer' ? String(val) : val };
}

function attributeFromJson({ key, ...value }) {
  const [[tag, val]] = Object.entries(value);
  return { key, value: { tag, val: tag === 'integer' ? BigInt(val) : val } };
}
