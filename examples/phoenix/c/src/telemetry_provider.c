// `telemetry-provider` for Arize Phoenix, which takes spans over OTLP: the host sends them.
//
// An exported function owns its arguments and frees them; the host frees what is returned.

#include <string.h>

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
    "      \"default\": \"http://localhost:6006\","
    "      \"title\": \"Where Phoenix serves its API\""
    "    },"
    "    \"api_key\": {"
    "      \"type\": \"string\","
    "      \"writeOnly\": true,"
    "      \"title\": \"An API key, if Phoenix wants one\""
    "    }"
    "  }"
    "}";

void exports_roost_telemetry_telemetry_provider_describe(
    exports_roost_telemetry_telemetry_provider_provider_info_t *info) {
    info->name = string_of("phoenix");
    info->version = string_of("0.1.0");
    info->summary = string_of("Arize Phoenix: spans, and annotations of spans.");
    info->homepage = string_of("https://github.com/Arize-ai/phoenix");
    info->config_schema = string_of("%s", SCHEMA);
    info->credentials.len = 1;
    info->credentials.ptr = list_of(1, sizeof *info->credentials.ptr);
    info->credentials.ptr->property = string_of("api_key");
    info->credentials.ptr->header = string_of("authorization");
    info->credentials.ptr->template_ = string_of("Bearer {}");
    info->limits = (exports_roost_telemetry_telemetry_provider_backend_limits_t){
        .max_page_size = 1000,
        .max_batch_items = 500,
        .max_batch_bytes = 3584 * 1024,
        .mixed_projects = true,
        // Phoenix acknowledges spans before it stores them.
        .visibility_delay_ms = 10000,
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
    text endpoint = {0};
    if (options->endpoint.is_some) text_print(&endpoint, "%.*s", SHOWN(options->endpoint.val));
    else text_print(&endpoint, "%s/v1/traces", service_endpoint());
    // An endpoint with a path speaks HTTP, and one without gRPC.
    const char *host = strstr(endpoint.data, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    bool has_path = path && path[1];
    *answer = (exports_roost_telemetry_telemetry_provider_span_export_t){
        .tag = EXPORTS_ROOST_TELEMETRY_TELEMETRY_PROVIDER_SPAN_EXPORT_OTLP,
        .val.otlp = {
            .protocol = has_path
                ? EXPORTS_ROOST_TELEMETRY_TELEMETRY_PROVIDER_OTLP_PROTOCOL_HTTP_PROTOBUF
                : EXPORTS_ROOST_TELEMETRY_TELEMETRY_PROVIDER_OTLP_PROTOCOL_GRPC,
            .endpoint = text_give(endpoint),
            .routing = {
                .tag = EXPORTS_ROOST_TELEMETRY_TELEMETRY_PROVIDER_PROJECT_ROUTING_RESOURCE_ATTRIBUTE,
                .val.resource_attribute = string_of("openinference.project.name"),
            },
        },
    };
    provider_string_free(project);
    provider_option_string_free(&options->endpoint);
    return true;
}

bool exports_roost_telemetry_telemetry_provider_session_attributes(
    provider_string_t *project, provider_string_t *session_id,
    exports_roost_telemetry_telemetry_provider_list_attribute_t *answer, failure *error) {
    provider_string_free(project);
    provider_string_free(session_id);
    // Phoenix has one name space of sessions for all projects; plugins/phoenix shows what that takes.
    return fail(error, ROOST_TELEMETRY_TYPES_ERROR_UNSUPPORTED, "this example has no sessions");
}

bool exports_roost_telemetry_telemetry_provider_trace_url(
    provider_string_t *project, provider_string_t *trace_id, provider_option_string_t *answer,
    failure *error) {
    answer->is_some = true;
    answer->val = string_of("%s/redirects/traces/%.*s", service_endpoint(), SHOWN(*trace_id));
    provider_string_free(project);
    provider_string_free(trace_id);
    return true;
}

bool exports_roost_telemetry_telemetry_provider_check_health(
    exports_roost_telemetry_telemetry_provider_health_t *health, failure *error) {
    *health = (exports_roost_telemetry_telemetry_provider_health_t){.authenticated = true};
    uint64_t begin = wasi_clocks_monotonic_clock_now();
    text path = {0}, version = {0};
    text_print(&path, "/arize_phoenix_version");
    if (!service_get_text(path, &version, error)) return false;
    health->latency_us = (wasi_clocks_monotonic_clock_now() - begin) / 1000;

    // The version is open to everybody; this is not.
    text projects = {0}, answer = {0};
    text_print(&projects, "/v1/projects?limit=1");
    if (service_get(projects, &answer, error)) {
        text_free(&answer);
    } else if (error->tag == ROOST_TELEMETRY_TYPES_ERROR_UNAUTHENTICATED) {
        // A credential that is not accepted is an answer.
        provider_string_free(&error->val.unauthenticated);
        health->authenticated = false;
    } else {
        text_free(&version);
        return false;
    }
    health->backend_version = text_give(version);
    return true;
}
