// `trace-store`: spans on their way out.

#include <inttypes.h>

#include "service.h"
#include "span.h"

typedef exports_roost_telemetry_trace_store_list_span_t spans;

// A page of the service's listings: its spans, and where the next one begins. `path` is freed.
static bool page(text path, provider_option_string_t after, spans *into,
                 provider_option_string_t *cursor, failure *error) {
    if (after.is_some) {
        text_print(&path, "&after=");
        text_part(&path, after.val);
    }
    text answer;
    if (!service_get(path, &answer, error)) return false;
    json list = json_member(answer.data, "spans"), more = json_member(answer.data, "next");
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
    // The service knows the window and roots; predicates and order are left to the host, which
    // `applied` and `ordered` tell it.
    text path = {0};
    text_print(&path, "/projects/");
    text_part(&path, query->project);
    text_print(&path, "/spans?start=%" PRIu64 "&end=%" PRIu64 "&roots=%s&limit=%" PRIu32,
               query->window.start, query->window.end, query->roots_only ? "true" : "false",
               query->page.limit);
    *answer = (exports_roost_telemetry_trace_store_span_page_t){.ordered = false};
    answer->spans.tag = EXPORTS_ROOST_TELEMETRY_TRACE_STORE_SPAN_BATCH_RECORDS;
    bool fine = page(path, query->page.cursor, &answer->spans.val.records, &answer->cursor, error);
    exports_roost_telemetry_trace_store_span_query_free(query);
    return fine;
}

bool exports_roost_telemetry_trace_store_get_span(
    provider_string_t *project, exports_roost_telemetry_trace_store_span_ref_t *wanted,
    exports_roost_telemetry_trace_store_span_t *found, failure *error) {
    text path = {0}, answer;
    text_print(&path, "/projects/");
    text_part(&path, *project);
    text_print(&path, "/spans/");
    text_part(&path, wanted->span_id);
    bool fine = service_get(path, &answer, error);
    if (fine) {
        *found = span_from_json(answer.data);
        text_free(&answer);
    }
    provider_string_free(project);
    exports_roost_telemetry_trace_store_span_ref_free(wanted);
    return fine;
}

bool exports_roost_telemetry_trace_store_get_trace(
    provider_string_t *project, provider_string_t *trace_id, uint64_t *maybe_near,
    exports_roost_telemetry_trace_store_page_request_t *request,
    exports_roost_telemetry_trace_store_trace_page_t *answer, failure *error) {
    text path = {0};
    text_print(&path, "/projects/");
    text_part(&path, *project);
    text_print(&path, "/traces/");
    text_part(&path, *trace_id);
    text_print(&path, "?limit=%" PRIu32, request->limit);
    bool fine = page(path, request->cursor, &answer->spans, &answer->cursor, error);
    provider_string_free(project);
    provider_string_free(trace_id);
    provider_option_string_free(&request->cursor);
    return fine;
}
