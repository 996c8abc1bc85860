// `trace-store`: spans on their way out.

#include <inttypes.h>
#include <stdlib.h>

#include "service.h"
#include "span.h"
#include "times.h"

typedef exports_roost_telemetry_trace_store_list_span_t spans;
typedef exports_roost_telemetry_trace_store_page_request_t page_request;

// The beginning of a question for spans, in the order in which they came: what comes in meanwhile
// moves nothing.
static bool begin(provider_string_t project, uint32_t limit, text *path, failure *error) {
    *path = (text){0};
    if (!service_project(project, "/spans", path, error)) return false;
    text_print(path, "?sort=id&order=asc&limit=%" PRIu32, limit);
    return true;
}

static void append(text *path, const char *key, provider_string_t value) {
    if (value.len == 0) return;
    text_print(path, "&%s=", key);
    text_part(path, value);
}

// Ask for a page: its spans, and where the next one begins. `path` is freed.
static bool page(text path, provider_option_string_t after, spans *into,
                 provider_option_string_t *cursor, failure *error) {
    if (after.is_some) append(&path, "cursor", after.val);
    text answer;
    if (!service_get(path, &answer, error)) return false;
    json list = json_member(answer.data, "data"), more = json_member(answer.data, "next_cursor");
    into->len = json_count(list);
    into->ptr = list_of(into->len, sizeof *into->ptr);
    span *next = into->ptr;
    for (json it = json_first(list); it; it = json_next(it)) *next++ = span_from_json(it);
    cursor->is_some = json_is_there(more);
    cursor->val = text_give(json_text(more));
    text_free(&answer);
    return true;
}

bool exports_roost_telemetry_trace_store_get_spans(
    exports_roost_telemetry_trace_store_span_query_t *query,
    exports_roost_telemetry_trace_store_span_page_t *answer, failure *error) {
    // Predicates and order are left to the host, which `applied` and `ordered` tell it.
    *answer = (exports_roost_telemetry_trace_store_span_page_t){.ordered = false};
    answer->spans.tag = EXPORTS_ROOST_TELEMETRY_TRACE_STORE_SPAN_BATCH_RECORDS;
    text path;
    bool fine = begin(query->project, query->page.limit, &path, error);
    if (fine) {
        text_print(&path, "&start_time=");
        text_iso(&path, query->window.start);
        text_print(&path, "&end_time=");
        text_iso(&path, query->window.end);
        if (query->roots_only) text_print(&path, "&parent_id=null");
        fine = page(path, query->page.cursor, &answer->spans.val.records, &answer->cursor, error);
    }
    exports_roost_telemetry_trace_store_span_query_free(query);
    return fine;
}

bool exports_roost_telemetry_trace_store_get_span(
    provider_string_t *project, exports_roost_telemetry_trace_store_span_ref_t *wanted,
    exports_roost_telemetry_trace_store_span_t *found, failure *error) {
    text path;
    spans list = {0};
    provider_option_string_t cursor;
    bool fine = begin(*project, 1, &path, error);
    if (fine) {
        append(&path, "span_id", wanted->span_id);
        append(&path, "trace_id", wanted->trace_id);
        fine = page(path, (provider_option_string_t){0}, &list, &cursor, error);
    }
    if (fine && list.len == 0) {
        fine = fail(error, ROOST_TELEMETRY_TYPES_ERROR_NOT_FOUND, "project `%.*s` has no span `%.*s`",
                    SHOWN(*project), SHOWN(wanted->span_id));
    } else if (fine) {
        *found = list.ptr[0];
        free(list.ptr);
        provider_option_string_free(&cursor);
    }
    provider_string_free(project);
    exports_roost_telemetry_trace_store_span_ref_free(wanted);
    return fine;
}

bool exports_roost_telemetry_trace_store_get_trace(
    provider_string_t *project, provider_string_t *trace_id, uint64_t *maybe_near,
    page_request *request, exports_roost_telemetry_trace_store_trace_page_t *answer,
    failure *error) {
    text path;
    bool fine = begin(*project, request->limit, &path, error);
    if (fine) {
        append(&path, "trace_id", *trace_id);
        fine = page(path, request->cursor, &answer->spans, &answer->cursor, error);
    }
    if (fine && answer->spans.len == 0 && !request->cursor.is_some) {
        fine = fail(error, ROOST_TELEMETRY_TYPES_ERROR_NOT_FOUND, "project `%.*s` has no trace `%.*s`",
                    SHOWN(*project), SHOWN(*trace_id));
    }
    provider_string_free(project);
    provider_string_free(trace_id);
    provider_option_string_free(&request->cursor);
    return fine;
}
