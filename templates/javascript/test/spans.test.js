// What can be tested without a host: `make test` runs it, and `roost check` for the rest.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { failure } from '../src/errors.js';
import { fromJson, toJson } from '../src/spans.js';

test('a span comes back as it went', () => {
  const attributes = [
    { key: 'text', value: { tag: 'text', val: 'größe' } },
    { key: 'boolean', value: { tag: 'boolean', val: false } },
    { key: 'integer', value: { tag: 'integer', val: 2n ** 53n + 1n } },
    { key: 'number', value: { tag: 'number', val: 0.1 } },
    { key: 'json', value: { tag: 'json', val: '[1]' } },
  ];
  const span = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    parentId: undefined,
    name: 'name',
    kind: 'LLM',
    status: 'error',
    statusMessage: 'it broke',
    startTime: 2n ** 64n - 2n,
    endTime: 2n ** 64n - 1n,
    attributes,
    events: [{ name: 'event', time: 7n, attributes }],
    links: [],
    resource: [],
  };
  assert.deepEqual(fromJson(JSON.parse(JSON.stringify(toJson(span)))), span);
});

test('a status becomes the error of the contract', () => {
  const missing = { tag: 'not-found', val: 'no project' };
  assert.deepEqual(failure(404, '{"error":"no project"}'), missing);
  assert.equal(failure(500, 'oops').val.excerpt, 'oops');
});
