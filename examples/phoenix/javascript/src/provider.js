// A provider for Arize Phoenix: spans in over OTLP, which the host speaks; spans out, and annotations of
// spans. An object an interface.

import { configure, endpoint, get, projectPath, text } from './service.js';
import { fromJson } from './spans.js';
import { toIso } from './times.js';

export { annotationStore } from './annotations.js';

const SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  properties: {
    http_endpoint: {
      type: 'string',
      format: 'uri',
      default: 'http://localhost:6006',
      title: 'Where Phoenix serves its API',
    },
    api_key: {
      type: 'string',
      writeOnly: true,
      title: 'An API key, if Phoenix wants one',
    },
  },
};

export const telemetryProvider = {
  describe() {
    return {
      name: 'phoenix',
      version: '0.1.0',
      summary: 'Arize Phoenix: spans, and annotations of spans.',
      homepage: 'https://github.com/Arize-ai/phoenix',
      configSchema: JSON.stringify(SCHEMA),
      credentials: [{ property: 'api_key', header: 'authorization', template: 'Bearer {}' }],
      limits: {
        maxPageSize: 1_000,
        maxBatchItems: 500,
        maxBatchBytes: 3_584n * 1_024n,
        mixedProjects: true,
        // Phoenix acknowledges spans before it stores them.
        visibilityDelayMs: 10_000,
      },
    };
  },

  initialize(config) {
    configure(config);
  },

  configureSpanExport(project, options) {
    const wanted = options.endpoint ?? `${endpoint()}/v1/traces`;
    // An endpoint with a path speaks HTTP, and one without gRPC.
    const hasPath = /^[^:]+:\/\/[^/]+\/./.test(wanted);
    return {
      tag: 'otlp',
      val: {
        protocol: hasPath ? 'http-protobuf' : 'grpc',
        endpoint: wanted,
        headers: [],
        resourceAttributes: [],
        spanAttributes: [],
        routing: { tag: 'resource-attribute', val: 'openinference.project.name' },
      },
    };
  },

  sessionAttributes(project, sessionId) {
    // Phoenix has one name space of sessions for all projects; plugins/phoenix shows what that takes.
    throw { tag: 'unsupported', val: 'this example has no sessions' };
  },

  traceUrl(project, traceId) {
    return `${endpoint()}/redirects/traces/${traceId}`;
  },

  checkHealth() {
    const begin = Date.now();
    const backendVersion = text('/arize_phoenix_version').trim();
    const latencyUs = BigInt(Date.now() - begin) * 1_000n;
    let authenticated = true;
    try {
      // The version is open to everybody; this is not.
      get('/v1/projects', { limit: 1 });
    } catch (error) {
      if (error.tag !== 'unauthenticated') throw error;
      authenticated = false;
    }
    return { authenticated, backendVersion, latencyUs, backendTime: undefined };
  },
};

export const traceStore = {
  getSpans({ project, window, rootsOnly, page }) {
    // Predicates and order are left to the host, which `applied` and `ordered` tell it.
    const { spans, cursor } = listed(project, {
      start_time: toIso(window.start),
      end_time: toIso(window.end),
      parent_id: rootsOnly ? 'null' : undefined,
      limit: page.limit,
      cursor: page.cursor,
    });
    return { spans: { tag: 'records', val: spans }, cursor, applied: [], ordered: false };
  },

  getSpan(project, { spanId, traceId }) {
    const { spans } = listed(project, { span_id: spanId, trace_id: traceId || undefined, limit: 1 });
    if (spans.length > 0) return spans[0];
    throw { tag: 'not-found', val: `project \`${project}\` has no span \`${spanId}\`` };
  },

  getTrace(project, traceId, near, page) {
    const found = listed(project, { trace_id: traceId, limit: page.limit, cursor: page.cursor });
    if (found.spans.length > 0 || page.cursor) return found;
    throw { tag: 'not-found', val: `project \`${project}\` has no trace \`${traceId}\`` };
  },
};

// A page of spans in the order in which they came: what comes in meanwhile moves nothing.
function listed(project, parameters) {
  const path = projectPath(project, '/spans');
  const { data, next_cursor } = get(path, { sort: 'id', order: 'asc', ...parameters });
  return { spans: data.map(fromJson), cursor: next_cursor ?? undefined };
}
