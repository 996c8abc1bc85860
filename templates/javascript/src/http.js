// One request over `wasi:http`. The host keeps connections, adds credentials and repeats what is safe to
// repeat.
//
// `fetch` works as well, and holds on to what belongs to a request until its garbage is collected; a
// host lets an instance hold 1,000 things, which a few hundred requests come to. Here each is let go of
// at once: children first, a stream before its body, a body before its answer.

import { handle } from 'wasi:http/outgoing-handler@0.2.12';
import { Fields, OutgoingBody, OutgoingRequest } from 'wasi:http/types@0.2.12';

const DISPOSE = Symbol.dispose ?? Symbol.for('dispose');
const TIMEOUTS = /timeout$/;

// `GET` an address, or `POST` a text to it; returned are the status and the answer.
export function request(address, text) {
  try {
    return exchange(new URL(address), text);
  } catch (error) {
    const code = error?.payload ?? error;
    if (TIMEOUTS.test(code?.tag)) throw { tag: 'timeout', val: `${address} does not answer` };
    const why = code?.tag ?? String(code);
    throw { tag: 'unavailable', val: `${address} cannot be reached: ${why}` };
  }
}

function exchange(url, text) {
  const body = text === undefined ? undefined : new TextEncoder().encode(text);
  const future = send(url, body);
  try {
    using(future.subscribe(), (answered) => answered.block());
    const { val: result } = future.get();
    if (result.tag === 'err') throw result.val;
    return using(result.val, (answer) => ({ status: answer.status(), text: read(answer) }));
  } finally {
    future[DISPOSE]();
  }
}

function send(url, body) {
  const headers = body && { 'content-type': 'application/json', 'content-length': body.length };
  const fields = Object.entries(headers ?? {}).map(([name, value]) => [
    name,
    new TextEncoder().encode(String(value)),
  ]);
  const outgoing = new OutgoingRequest(Fields.fromList(fields));
  outgoing.setMethod({ tag: body ? 'post' : 'get' });
  outgoing.setScheme({ tag: url.protocol === 'https:' ? 'HTTPS' : 'HTTP' });
  outgoing.setAuthority(url.host);
  outgoing.setPathWithQuery(url.pathname + url.search);
  const sink = outgoing.body();
  const future = handle(outgoing, undefined);
  if (body) {
    using(sink.write(), (stream) => {
      // No more is taken at once.
      for (let start = 0; start < body.length; start += 4096) {
        stream.blockingWriteAndFlush(body.subarray(start, start + 4096));
      }
    });
  }
  OutgoingBody.finish(sink, undefined);
  return future;
}

function read(answer) {
  const parts = [];
  using(answer.consume(), (body) =>
    using(body.stream(), (stream) => {
      try {
        for (;;) parts.push(stream.blockingRead(1n << 20n));
      } catch (error) {
        if ((error?.payload ?? error)?.tag !== 'closed') throw error;
      }
    }),
  );
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join('') + decoder.decode();
}

// Use something, and let go of it.
function using(thing, use) {
  try {
    return use(thing);
  } finally {
    thing[DISPOSE]();
  }
}
