"""The backend: where it is, and what its answers mean."""

import json
from urllib.parse import quote

from componentize_py_types import Err
from wit_world.imports import roost_telemetry_types as types

import http_client

_config: dict = {}


def configure(config: str) -> None:
    """Take the configuration, once."""
    _config.update(json.loads(config))


def get(path: str):
    """Ask for what is at a path."""
    return _answer(path, None)


def post(path: str, body):
    """Send a body to a path."""
    return _answer(path, json.dumps(body).encode())


def _answer(path: str, body: bytes | None):
    address = _config["http_endpoint"].rstrip("/") + path
    status, answer = http_client.request(address, body)
    if not 200 <= status < 300:
        raise Err(error(status, answer.decode(errors="replace")))
    return json.loads(answer)


def error(status: int, body: str) -> types.Error:
    """What an answer with a failing status means, in the contract's words."""
    try:
        said = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        said = body
    match status:
        case 400 | 422:
            return types.Error_InvalidArgument(said)
        case 401:
            return types.Error_Unauthenticated(said)
        case 403:
            return types.Error_PermissionDenied(said)
        case 404:
            return types.Error_NotFound(said)
        case 409:
            return types.Error_Conflict(said)
        case 429:
            return types.Error_RateLimited(types.RateLimit(said, None))
        case 502 | 503 | 504:
            return types.Error_Unavailable(said)
    return types.Error_Backend(types.BackendFailure(status, body[:500]))


def part(text: str) -> str:
    """A text as a part of a path or query."""
    return quote(text, safe="")
