// A Roost provider: it translates the contract in `wit/deps/roost-telemetry` to the HTTP of a backend.
// This one is for the practice service of `roost`; `service.js` is what to change first.
//
// An object an interface. Add one of the contract to `wit/world.wit`, and its object here. What a
// function throws is the contract's `error`: `{ tag: 'not-found', val: 'no such project' }`.

import { configure, get, part, post } from './service.js';
import { fromJson, toJson } from './spans.js';

// The configuration. `format: uri` lets the provider reach what the operator sets; a `writeOnly`
// property is a secret that the host sends, as `credentials` says, and we never see.
const SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  properties: {
    http_endpoint: {
      type: 'string',
      format: 'uri',
      default: 'http://localhost:8080',
      title: 'Where the service is',
    },
    api_key: {
      type: 'string',
      writeOnly: true,
      title: 'The key to the service, if it wants one',
    },
  },
};

// What this provider is, and how its backend is reached.
export const telemetryProvider = {
  describe() {
    return {
      name: '{{name}}',
      version: '0.1.0',
      summary: 'Reads and writes the spans of the practice service.',
      homepage: '',
      configSchema: JSON.stringify(SCHEMA),
      credentials: [{ property: 'api_key', header: 'authorization', template: 'Bearer {}' }],
      limits: {
        maxPageSize: 1_000,
        maxBatchItems: 500,
        maxBatchBytes: 4n << 20n,
        mixedProjects: false,
        visibilityDelayMs: 0,
      },
    };
  },

  initialize(config) {
    configure(config);
  },

  configureSpanExport(project, options) {
    return { tag: 'sink' };
  },

  sessionAttributes(project, sessionId) {
    return [{ key: 'session.id', value: { tag: 'text', val: sessionId } }];
  },

  traceUrl(project, traceId) {
    return undefined;
  },

  checkHealth() {
    const begin = Date.now();
    let [authenticated, backendVersion] = [true, ''];
    try {
      backendVersion = (get('/health')).version;
    } catch (error) {
      // A credential that is not accepted is an answer.
      if (error.tag !== 'unauthenticated') throw error;
      authenticated = false;
    }
    const latencyUs = BigInt(Date.now() - begin) * 1_000n;
    return { authenticated, backendVersion, latencyUs, backendTime: undefined };
  },
};

// Spans on their way out.
export const traceStore = {
  getSpans({ project, window, rootsOnly, page }) {
    // The service knows the window and roots; predicates and order are left to the host, which
    // `applied` and `ordered` tell it.
    const path =
      `/projects/${part(project)}/spans?start=${window.start}&end=${window.end}` +
      `&roots=${rootsOnly}&limit=${page.limit}`;
    const { spans, cursor } = listing(path, page.cursor);
    return { spans: { tag: 'records', val: spans }, cursor, applied: [], ordered: false };
  },

  getSpan(project, span) {
    return fromJson(get(`/projects/${part(project)}/spans/${part(span.spanId)}`));
  },

  getTrace(project, traceId, near, page) {
    const path = `/projects/${part(project)}/traces/${part(traceId)}?limit=${page.limit}`;
    return listing(path, page.cursor);
  },
};

// Spans on their way in, for a backend without OTLP. One that takes OTLP needs none: it says where in
// `configureSpanExport`, and the host sends them.
export const spanSink = {
  export(project, resourceAttributes, spans) {
    const answer = post(`/projects/${part(project)}/spans`, { spans: spans.map(toJson) });
    return { accepted: answer.accepted, rejected: [] };
  },
};

// A page of the service's listings: its spans, and where the next one begins.
function listing(path, cursor) {
  const { spans, next } = get(cursor ? `${path}&after=${part(cursor)}` : path);
  return { spans: spans.map(fromJson), cursor: next ?? undefined };
}
