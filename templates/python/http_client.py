"""One request over `wasi:http`. The host keeps connections, adds credentials and repeats what is
safe to repeat."""

from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports import roost_telemetry_types as types
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.wasi_http_types import (
    ErrorCode_ConnectionReadTimeout,
    ErrorCode_ConnectionTimeout,
    ErrorCode_ConnectionWriteTimeout,
    ErrorCode_HttpResponseTimeout,
    Fields,
    Method_Get,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    Scheme_Http,
    Scheme_Https,
)

TIMEOUTS = (
    ErrorCode_ConnectionTimeout,
    ErrorCode_ConnectionReadTimeout,
    ErrorCode_ConnectionWriteTimeout,
    ErrorCode_HttpResponseTimeout,
)


def request(address: str, body: bytes | None = None) -> tuple[int, bytes]:
    """`GET` an address, or `POST` a body to it; returned are the status and the answer."""
    url = urlsplit(address)
    headers = []
    if body is not None:
        headers.append(("content-type", b"application/json"))
        headers.append(("content-length", str(len(body)).encode()))
    outgoing = OutgoingRequest(Fields.from_list(headers))
    outgoing.set_method(Method_Get() if body is None else Method_Post())
    outgoing.set_scheme(Scheme_Https() if url.scheme == "https" else Scheme_Http())
    outgoing.set_authority(url.netloc)
    outgoing.set_path_with_query(url.path + (f"?{url.query}" if url.query else ""))
    sink = outgoing.body()
    try:
        # What has parts is let go of after them: `with` blocks lie in each other.
        with outgoing_handler.handle(outgoing, None) as future:
            if body is not None:
                with sink.write() as stream:
                    # No more is taken at once.
                    for start in range(0, len(body), 4096):
                        stream.blocking_write_and_flush(body[start : start + 4096])
            OutgoingBody.finish(sink, None)
            with future.subscribe() as answered:
                answered.block()
            match future.get():
                case Ok(Ok(answer)):
                    with answer:
                        return answer.status(), read(answer)
                case Ok(Err(code)):
                    raise Err(code)
                case other:
                    raise Err(types.Error_Internal(f"the host hands out no answer: {other}"))
    except Err as error:
        code = error.value
        if isinstance(code, TIMEOUTS):
            raise Err(types.Error_Timeout(f"{address} does not answer"))
        if type(code).__name__.startswith("ErrorCode_"):
            raise Err(types.Error_Unavailable(f"{address} cannot be reached: {code}"))
        raise


def read(answer) -> bytes:
    with answer.consume() as body:
        parts = []
        with body.stream() as stream:
            while True:
                try:
                    parts.append(stream.blocking_read(1 << 20))
                except Err as error:
                    if isinstance(error.value, StreamError_Closed):
                        break
                    raise Err(types.Error_Unavailable("the answer broke off"))
        return b"".join(parts)
