// What can be tested without a host: `make test` runs it, and `roost check` for the rest.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parse, stringify } from '../src/json.js';
import { valueFromJson } from '../src/spans.js';
import { fromIso, toIso } from '../src/times.js';

test('an instant comes back in microseconds', () => {
  assert.equal(toIso(1_795_282_282_033_000_001n), '2026-11-21T17:31:22.033001Z');
  assert.equal(fromIso('2026-11-21T17:31:22.033001+00:00'), 1_795_282_282_033_001_000n);
  assert.equal(fromIso('2026-11-21T17:31:22+00:00'), 1_795_282_282_000_000_000n);
  assert.equal(fromIso(toIso(2n ** 64n - 1n)) / 10n ** 9n, (2n ** 64n - 1n) / 10n ** 9n);
});

test('a value keeps its type and its digits', () => {
  const json = '[true,9007199254740993,9223372036854775808,0.5,"1","größe",[1,2.5]]';
  assert.deepEqual(parse(json).map(valueFromJson), [
    { tag: 'boolean', val: true },
    { tag: 'integer', val: 9007199254740993n },
    { tag: 'number', val: 2 ** 63 },
    { tag: 'number', val: 0.5 },
    { tag: 'text', val: '1' },
    { tag: 'text', val: 'größe' },
    { tag: 'json', val: '[1,2.5]' },
  ]);
  assert.equal(stringify(parse(json)), json);
});
