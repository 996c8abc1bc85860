// JSON with whole numbers as BigInt: JavaScript's own numbers do not keep all digits of a large one, and
// do not tell 1 from 1.0. On the way through `JSON` they are texts that begin with a mark.

const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const WHOLE = /^-?\d+$/;
const MARKED = /^\0(-?\d+)$/;

export function parse(text) {
  const marked = text.replace(STRING_OR_NUMBER, (it) => (WHOLE.test(it) ? `"\\u0000${it}"` : it));
  return JSON.parse(marked, (key, value) => {
    const whole = typeof value === 'string' ? MARKED.exec(value) : null;
    return whole ? BigInt(whole[1]) : value;
  });
}

export function stringify(value) {
  const marked = JSON.stringify(value, (key, it) => (typeof it === 'bigint' ? `\0${it}` : it));
  return marked.replace(/"\\u0000(-?\d+)"/g, '$1');
}
