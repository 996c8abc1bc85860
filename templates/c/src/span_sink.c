// `span-sink`: spans on their way in, for a backend without OTLP. One that takes OTLP needs none: it
// says where in `configure-span-export`, and the host sends them.

#include "service.h"
#include "span.h"

bool exports_roost_telemetry_span_sink_export(
    provider_string_t *project, exports_roost_telemetry_span_sink_list_attribute_t *resource,
    exports_roost_telemetry_span_sink_list_span_t *spans,
    exports_roost_telemetry_span_sink_export_outcome_t *outcome, failure *error) {
    text path = {0}, body = {0}, answer;
    text_print(&path, "/projects/");
    text_part(&path, *project);
    text_print(&path, "/spans");
    text_print(&body, "{\"spans\":[");
    for (size_t at = 0; at < spans->len; at++) {
        if (at > 0) text_print(&body, ",");
        span_to_json(&spans->ptr[at], &body);
    }
    text_print(&body, "]}");
    bool fine = service_post(path, body, &answer, error);
    if (fine) {
        outcome->accepted = json_unsigned(json_member(answer.data, "accepted"));
        outcome->rejected.len = 0;
        text_free(&answer);
    }
    provider_string_free(project);
    exports_roost_telemetry_span_sink_list_attribute_free(resource);
    exports_roost_telemetry_span_sink_list_span_free(spans);
    return fine;
}
