// Phoenix writes times as ISO 8601 in microseconds, the contract as nanoseconds since 1970.

// The first microsecond that is not before an instant: an end of a window stays outside.
export function toIso(nanoseconds) {
  const microseconds = (nanoseconds + 999n) / 1_000n;
  const seconds = new Date(Number(microseconds / 1_000_000n) * 1_000).toISOString().slice(0, 19);
  return `${seconds}.${String(microseconds % 1_000_000n).padStart(6, '0')}Z`;
}

export function fromIso(iso) {
  // `Date` keeps milliseconds alone.
  const [, begin, fraction = '', zone] = /^([^.Z+]+)(?:\.(\d+))?(.*)$/.exec(iso);
  const seconds = BigInt(Date.parse(begin + (zone || 'Z'))) / 1_000n;
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9));
}
