// What an answer with a failing status means, in the contract's words. Phoenix answers a sentence.

const TAGS = {
  400: 'invalid-argument',
  401: 'unauthenticated',
  403: 'permission-denied',
  404: 'not-found',
  409: 'conflict',
  422: 'invalid-argument',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

export function failure(status, said) {
  if (status === 429) return { tag: 'rate-limited', val: { message: said, retryAfterMs: undefined } };
  if (TAGS[status]) return { tag: TAGS[status], val: said };
  return { tag: 'backend', val: { status, excerpt: said.slice(0, 500) } };
}
