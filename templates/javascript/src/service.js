// The backend: where it is, and how it is asked.

import { failure } from './errors.js';
import { request } from './http.js';

let endpoint;

// Take the configuration, once.
export function configure(config) {
  endpoint = JSON.parse(config).http_endpoint.replace(/\/+$/, '');
}

// Ask for what is at a path.
export function get(path) {
  return answer(path, undefined);
}

// Send a body to a path.
export function post(path, body) {
  return answer(path, JSON.stringify(body));
}

function answer(path, body) {
  const { status, text } = request(endpoint + path, body);
  if (status < 200 || status > 299) throw failure(status, text);
  return JSON.parse(text);
}

// A text as a part of a path or query.
export function part(text) {
  return encodeURIComponent(text);
}
