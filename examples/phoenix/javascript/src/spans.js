// A span as Phoenix spells it, and as the contract does.

import { stringify } from './json.js';
import { fromIso } from './times.js';

const STATUS = { OK: 'ok', ERROR: 'error' };

export function fromJson(wire) {
  const events = wire.events.map(({ name, timestamp, attributes }) => ({
    name,
    time: fromIso(timestamp),
    attributes: attributesFromJson(attributes),
  }));
  return {
    traceId: wire.context.trace_id,
    spanId: wire.context.span_id,
    parentId: wire.parent_id || undefined,
    name: wire.name,
    kind: (wire.span_kind || 'UNKNOWN').toUpperCase(),
    status: STATUS[wire.status_code] ?? 'unset',
    statusMessage: wire.status_message,
    startTime: fromIso(wire.start_time),
    endTime: fromIso(wire.end_time),
    attributes: attributesFromJson(wire.attributes),
    events: events.sort((one, other) => Number(one.time - other.time)),
    // Phoenix keeps neither.
    links: [],
    resource: [],
  };
}

// Phoenix hands attributes out flat. A null is none.
function attributesFromJson(wire) {
  const present = Object.entries(wire).filter(([, it]) => it !== null);
  return present.map(([key, it]) => ({ key, value: valueFromJson(it) }));
}

export function valueFromJson(wire) {
  switch (typeof wire) {
    case 'string':
      return { tag: 'text', val: wire };
    case 'boolean':
      return { tag: 'boolean', val: wire };
    case 'number':
      return { tag: 'number', val: wire };
    case 'bigint':
      if (BigInt.asIntN(64, wire) === wire) return { tag: 'integer', val: wire };
      return { tag: 'number', val: Number(wire) };
    default:
      return { tag: 'json', val: stringify(wire) };
  }
}
