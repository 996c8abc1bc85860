// Phoenix: where it is, and how it is asked.

import { failure } from './errors.js';
import { request } from './http.js';
import { parse, stringify } from './json.js';

let base;

// Take the configuration, once.
export function configure(config) {
  base = JSON.parse(config).http_endpoint.replace(/\/+$/, '');
}

export function endpoint() {
  return base;
}

// The path of what belongs to a project. Phoenix finds no project in a path whose name holds a slash, or
// is a step of the path.
export function projectPath(project, what) {
  if (project.includes('/') || project === '.' || project === '..') {
    throw { tag: 'invalid-argument', val: `no path of Phoenix can name the project \`${project}\`` };
  }
  return `/v1/projects/${encodeURIComponent(project)}${what}`;
}

// Ask for the JSON at a path. A parameter that is a list comes once for each item.
export function get(path, parameters = {}) {
  const pairs = Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .flatMap(([key, value]) => [value].flat().map((it) => `${key}=${encodeURIComponent(it)}`));
  return parse(text(`${path}?${pairs.join('&')}`));
}

// Send JSON to a path.
export function post(path, body) {
  return parse(text(path, stringify(body)));
}

// What is answered, as it comes.
export function text(path, body) {
  const { status, text: answered } = request(base + path, body);
  if (status < 200 || status > 299) throw failure(status, answered);
  return answered;
}
