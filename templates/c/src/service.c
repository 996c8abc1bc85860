#include "service.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http.h"

// Where it is, without a slash at its end.
static text endpoint;

bool service_configure(provider_string_t config, failure *error) {
    text it = {0};
    text_bytes(&it, config.ptr, config.len);
    bool whole = json_check(it.data);
    if (whole) endpoint = json_text(json_member(it.data, "http_endpoint"));
    text_free(&it);
    if (endpoint.length == 0) {
        return fail(error, ROOST_TELEMETRY_TYPES_ERROR_INVALID_ARGUMENT,
                    "the configuration names no http_endpoint");
    }
    while (endpoint.length > 0 && endpoint.data[endpoint.length - 1] == '/') {
        endpoint.data[--endpoint.length] = 0;
    }
    return true;
}

// What the service says for a person: the `error` of its JSON, or else the beginning of what it
// answers. A host takes UTF-8 alone, so what is not known to be that is shown in ASCII.
static provider_string_t said(const text *body) {
    text it = {0};
    if (json_check(body->data)) it = json_text(json_member(body->data, "error"));
    if (it.length > 0) return text_give(it);
    for (size_t at = 0; at < body->length && at < 500; at++) {
        text_bytes(&it, body->data[at] & 0x80 ? "?" : &body->data[at], 1);
    }
    return text_give(it);
}

// What an answer with a failing status means, in the contract's words.
static bool refused(uint16_t status, const text *body, failure *error) {
    switch (status) {
    case 400:
    case 422: error->tag = ROOST_TELEMETRY_TYPES_ERROR_INVALID_ARGUMENT; break;
    case 401: error->tag = ROOST_TELEMETRY_TYPES_ERROR_UNAUTHENTICATED; break;
    case 403: error->tag = ROOST_TELEMETRY_TYPES_ERROR_PERMISSION_DENIED; break;
    case 404: error->tag = ROOST_TELEMETRY_TYPES_ERROR_NOT_FOUND; break;
    case 409: error->tag = ROOST_TELEMETRY_TYPES_ERROR_CONFLICT; break;
    case 429:
        error->tag = ROOST_TELEMETRY_TYPES_ERROR_RATE_LIMITED;
        error->val.rate_limited.message = said(body);
        error->val.rate_limited.retry_after_ms.is_some = false;
        return false;
    case 502:
    case 503:
    case 504: error->tag = ROOST_TELEMETRY_TYPES_ERROR_UNAVAILABLE; break;
    default:
        error->tag = ROOST_TELEMETRY_TYPES_ERROR_BACKEND;
        error->val.backend.status = status;
        error->val.backend.excerpt = said(body);
        return false;
    }
    error->val.internal = said(body);
    return false;
}

static bool ask(text path, const text *body, text *answer, failure *error) {
    text address = {0};
    text_print(&address, "%s%s", endpoint.data ? endpoint.data : "", path.data);
    http_answer got = {0};
    bool fine = http_request(address.data, body, &got, error);
    if (fine && (got.status < 200 || got.status > 299)) {
        fine = refused(got.status, &got.body, error);
    } else if (fine && (strlen(got.body.data) != got.body.length || !json_check(got.body.data))) {
        fine = fail(error, ROOST_TELEMETRY_TYPES_ERROR_INTERNAL, "the answer to %s is no JSON", path.data);
    }
    text_free(&address);
    if (fine) *answer = got.body;
    else text_free(&got.body);
    return fine;
}

bool service_get(text path, text *answer, failure *error) {
    bool fine = ask(path, NULL, answer, error);
    text_free(&path);
    return fine;
}

bool service_post(text path, text body, text *answer, failure *error) {
    bool fine = ask(path, &body, answer, error);
    text_free(&path);
    text_free(&body);
    return fine;
}

bool fail(failure *error, uint8_t tag, const char *format, ...) {
    text said = {0};
    va_list values;
    va_start(values, format);
    text_print_list(&said, format, values);
    va_end(values);
    error->tag = tag;
    // All of them hold it in the same place.
    error->val.internal = text_give(said);
    return false;
}
