#include "http.h"

#include <string.h>

// Everything of a request is handed out by the host and given back: children first, a stream before
// its body, a body before its answer.

typedef wasi_http_types_error_code_t error_code;

// Short for an error without anything more to say.
static bool broken(error_code *code, uint8_t tag) {
    *code = (error_code){.tag = tag};
    return false;
}

// A borrowed string.
static provider_string_t borrowed(const char *bytes, size_t length) {
    return (provider_string_t){(uint8_t *)bytes, length};
}

static void append(wasi_http_types_borrow_fields_t headers, const char *name, const char *value) {
    provider_string_t field = borrowed(name, strlen(name));
    wasi_http_types_field_value_t bytes = {(uint8_t *)value, strlen(value)};
    wasi_http_types_header_error_t refused;
    // The host has nothing against these headers.
    wasi_http_types_method_fields_append(headers, &field, &bytes, &refused);
}

// A request for an address, all but its body.
static bool begin(const char *address, const text *body,
                  wasi_http_types_own_outgoing_request_t *request) {
    const char *rest = strstr(address, "://");
    if (!rest) return false;
    wasi_http_types_scheme_t scheme = {
        .tag = address[4] == 's' ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP};
    rest += 3;
    size_t host = strcspn(rest, "/");
    provider_string_t authority = borrowed(rest, host);
    provider_string_t path = borrowed(rest + host, strlen(rest + host));
    wasi_http_types_method_t method = {
        .tag = body ? WASI_HTTP_TYPES_METHOD_POST : WASI_HTTP_TYPES_METHOD_GET};

    wasi_http_types_own_fields_t headers = wasi_http_types_constructor_fields();
    if (body) {
        wasi_http_types_borrow_fields_t these = wasi_http_types_borrow_fields(headers);
        text length = {0};
        text_print(&length, "%zu", body->length);
        append(these, "content-type", "application/json");
        append(these, "content-length", length.data);
        text_free(&length);
    }
    *request = wasi_http_types_constructor_outgoing_request(headers);
    wasi_http_types_borrow_outgoing_request_t it = wasi_http_types_borrow_outgoing_request(*request);
    bool fine = wasi_http_types_method_outgoing_request_set_method(it, &method) &&
                wasi_http_types_method_outgoing_request_set_scheme(it, &scheme) &&
                wasi_http_types_method_outgoing_request_set_authority(it, &authority) &&
                wasi_http_types_method_outgoing_request_set_path_with_query(it, &path);
    if (!fine) wasi_http_types_outgoing_request_drop_own(*request);
    return fine;
}

// Send a body, as much as is taken: if this fails, the answer says more.
static void send(wasi_http_types_own_outgoing_body_t outgoing, const text *body) {
    wasi_http_types_own_output_stream_t stream;
    wasi_io_streams_stream_error_t failed;
    error_code ignored;
    if (body && wasi_http_types_method_outgoing_body_write(
                    wasi_http_types_borrow_outgoing_body(outgoing), &stream)) {
        wasi_io_streams_borrow_output_stream_t out = wasi_io_streams_borrow_output_stream(stream);
        size_t size;
        for (size_t at = 0; at < body->length; at += size) {
            // No more is taken at once.
            size = body->length - at < 4096 ? body->length - at : 4096;
            provider_list_u8_t part = {(uint8_t *)body->data + at, size};
            if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(out, &part, &failed)) {
                wasi_io_streams_stream_error_free(&failed);
                break;
            }
        }
        wasi_io_streams_output_stream_drop_own(stream);
    }
    if (!wasi_http_types_static_outgoing_body_finish(outgoing, NULL, &ignored)) {
        wasi_http_types_error_code_free(&ignored);
    }
}

// Read a body to its end.
static bool receive(wasi_http_types_borrow_incoming_response_t from, text *into, error_code *code) {
    wasi_http_types_own_incoming_body_t body;
    wasi_http_types_own_input_stream_t stream;
    text_bytes(into, "", 0);
    if (!wasi_http_types_method_incoming_response_consume(from, &body)) {
        return broken(code, WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR);
    }
    bool whole = false;
    if (wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream)) {
        provider_list_u8_t part;
        wasi_io_streams_stream_error_t end;
        while (wasi_io_streams_method_input_stream_blocking_read(
            wasi_io_streams_borrow_input_stream(stream), 1 << 20, &part, &end)) {
            text_bytes(into, part.ptr, part.len);
            provider_list_u8_free(&part);
        }
        whole = end.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
        if (!whole) wasi_io_error_error_drop_own(end.val.last_operation_failed);
        wasi_io_streams_input_stream_drop_own(stream);
    }
    wasi_http_types_incoming_body_drop_own(body);
    return whole || broken(code, WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE);
}

// Wait for what a request is answered.
static bool await(wasi_http_types_borrow_future_incoming_response_t future,
                  wasi_http_types_own_incoming_response_t *response, error_code *code) {
    wasi_http_types_own_pollable_t answered =
        wasi_http_types_method_future_incoming_response_subscribe(future);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(answered));
    wasi_io_poll_pollable_drop_own(answered);
    wasi_http_types_result_result_own_incoming_response_error_code_void_t got;
    if (!wasi_http_types_method_future_incoming_response_get(future, &got) || got.is_err) {
        return broken(code, WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR);
    }
    if (got.val.ok.is_err) *code = got.val.ok.val.err;
    else *response = got.val.ok.val.ok;
    return !got.val.ok.is_err;
}

static bool exchange(const char *address, const text *body, http_answer *answer, error_code *code) {
    wasi_http_types_own_outgoing_request_t request;
    wasi_http_types_own_outgoing_body_t outgoing;
    wasi_http_types_own_future_incoming_response_t future;
    wasi_http_types_own_incoming_response_t response;
    if (!begin(address, body, &request)) {
        return broken(code, WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID);
    }
    // A new request hands out its body.
    wasi_http_types_method_outgoing_request_body(
        wasi_http_types_borrow_outgoing_request(request), &outgoing);
    if (!wasi_http_outgoing_handler_handle(request, NULL, &future, code)) {
        wasi_http_types_outgoing_body_drop_own(outgoing);
        return false;
    }
    send(outgoing, body);
    bool fine = await(wasi_http_types_borrow_future_incoming_response(future), &response, code);
    if (fine) {
        wasi_http_types_borrow_incoming_response_t it = wasi_http_types_borrow_incoming_response(response);
        answer->status = wasi_http_types_method_incoming_response_status(it);
        fine = receive(it, &answer->body, code);
        wasi_http_types_incoming_response_drop_own(response);
    }
    wasi_http_types_future_incoming_response_drop_own(future);
    return fine;
}

bool http_request(const char *address, const text *body, http_answer *answer, failure *error) {
    error_code code;
    if (exchange(address, body, answer, &code)) return true;
    switch (code.tag) {
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_WRITE_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT:
        fail(error, ROOST_TELEMETRY_TYPES_ERROR_TIMEOUT, "%s does not answer", address);
        break;
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED:
        fail(error, ROOST_TELEMETRY_TYPES_ERROR_UNAVAILABLE, "%s cannot be reached: connection refused",
             address);
        break;
    default:
        // The numbers are those of the error codes in `build/provider.h`.
        fail(error, ROOST_TELEMETRY_TYPES_ERROR_UNAVAILABLE, "%s cannot be reached: wasi:http error %d",
             address, code.tag);
    }
    wasi_http_types_error_code_free(&code);
    return false;
}
