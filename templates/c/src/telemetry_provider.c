// `telemetry-provider`: what this provider is, and how its backend is reached.
//
// An exported function owns its arguments and frees them; the host frees what is returned.

#include "service.h"

// The configuration. `format: uri` lets the provider reach what the operator sets; a `writeOnly`
// property is a secret that the host sends, as `credentials` says, and we never see.
static const char SCHEMA[] =
    "{"
    "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\","
    "  \"type\": \"object\","
    "  \"additionalProperties\": false,"
    "  \"properties\": {"
    "    \"http_endpoint\": {"
    "      \"type\": \"string\","
    "      \"format\": \"uri\","
    "      \"default\": \"http://localhost:8080\","
    "      \"title\": \"Where the service is\""
    "    },"
    "    \"api_key\": {"
    "      \"type\": \"string\","
    "      \"writeOnly\": true,"
    "      \"title\": \"The key to the service, if it wants one\""
    "    }"
    "  }"
    "}";

void exports_roost_telemetry_telemetry_provider_describe(
    exports_roost_telemetry_telemetry_provider_provider_info_t *info) {
    info->name = string_of("{{name}}");
    info->version = string_of("0.1.0");
    info->summary = string_of("Reads and writes the spans of the practice service.");
    info->homepage = (provider_string_t){0};
    info->config_schema = string_of("%s", SCHEMA);
    info->credentials.len = 1;
    info->credentials.ptr = list_of(1, sizeof *info->credentials.ptr);
    info->credentials.ptr->property = string_of("api_key");
    info->credentials.ptr->header = string_of("authorization");
    info->credentials.ptr->template_ = string_of("Bearer {}");
    info->limits = (exports_roost_telemetry_telemetry_provider_backend_limits_t){
        .max_page_size = 1000,
        .max_batch_items = 500,
        .max_batch_bytes = 4 << 20,
        .mixed_projects = false,
        .visibility_delay_ms = 0,
    };
}

bool exports_roost_telemetry_telemetry_provider_initialize(
    exports_roost_telemetry_telemetry_provider_json_t *config, failure *error) {
    bool fine = service_configure(*config, error);
    provider_string_free(config);
    return fine;
}

bool exports_roost_telemetry_telemetry_provider_configure_span_export(
    provider_string_t *project,
    exports_roost_telemetry_telemetry_provider_export_options_t *options,
    exports_roost_telemetry_telemetry_provider_span_export_t *answer, failure *error) {
    answer->tag = EXPORTS_ROOST_TELEMETRY_TELEMETRY_PROVIDER_SPAN_EXPORT_SINK;
    provider_string_free(project);
    provider_option_string_free(&options->endpoint);
    return true;
}

bool exports_roost_telemetry_telemetry_provider_session_attributes(
    provider_string_t *project, provider_string_t *session_id,
    exports_roost_telemetry_telemetry_provider_list_attribute_t *answer, failure *error) {
    answer->len = 1;
    answer->ptr = list_of(1, sizeof *answer->ptr);
    answer->ptr->key = string_of("session.id");
    answer->ptr->value.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_TEXT;
    answer->ptr->value.val.text = *session_id;
    provider_string_free(project);
    return true;
}

bool exports_roost_telemetry_telemetry_provider_trace_url(
    provider_string_t *project, provider_string_t *trace_id, provider_option_string_t *answer,
    failure *error) {
    answer->is_some = false;
    provider_string_free(project);
    provider_string_free(trace_id);
    return true;
}

bool exports_roost_telemetry_telemetry_provider_check_health(
    exports_roost_telemetry_telemetry_provider_health_t *health, failure *error) {
    *health = (exports_roost_telemetry_telemetry_provider_health_t){.authenticated = true};
    uint64_t begin = wasi_clocks_monotonic_clock_now();
    text path = {0}, answer = {0};
    text_print(&path, "/health");
    if (service_get(path, &answer, error)) {
        health->backend_version = text_give(json_text(json_member(answer.data, "version")));
    } else if (error->tag == ROOST_TELEMETRY_TYPES_ERROR_UNAUTHENTICATED) {
        // A credential that is not accepted is an answer.
        provider_string_free(&error->val.unauthenticated);
        health->authenticated = false;
    } else {
        return false;
    }
    health->latency_us = (wasi_clocks_monotonic_clock_now() - begin) / 1000;
    text_free(&answer);
    return true;
}
