"""Phoenix: where it is, how it is asked, and what its answers mean."""

import json
from urllib.parse import quote, urlencode

from componentize_py_types import Err
from wit_world.imports import roost_telemetry_types as types

import http_client

_config: dict = {}


def configure(config: str) -> None:
    """Take the configuration, once."""
    _config.update(json.loads(config))


def endpoint() -> str:
    return _config["http_endpoint"].rstrip("/")


def project_path(project: str, what: str) -> str:
    """The path of what belongs to a project. Phoenix finds no project in a path whose name holds a
    slash, or is a step of the path."""
    if "/" in project or project in (".", ".."):
        raise Err(types.Error_InvalidArgument(f"no path of Phoenix can name the project `{project}`"))
    return f"/v1/projects/{quote(project, safe='')}{what}"


def get(path: str, **parameters):
    """Ask for the JSON at a path. A parameter that is a list comes once for each item."""
    present = {key: value for key, value in parameters.items() if value is not None}
    return json.loads(text(f"{path}?{urlencode(present, doseq=True)}"))


def post(path: str, body):
    """Send JSON to a path."""
    return json.loads(text(path, json.dumps(body).encode()))


def text(path: str, body: bytes | None = None) -> str:
    """What is answered, as it comes."""
    status, answer = http_client.request(endpoint() + path, body)
    answered = answer.decode(errors="replace")
    if not 200 <= status < 300:
        raise Err(error(status, answered))
    return answered


def error(status: int, said: str) -> types.Error:
    """What an answer with a failing status means, in the contract's words. Phoenix answers a sentence."""
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
    return types.Error_Backend(types.BackendFailure(status, said[:500]))
