// `annotation-store` for spans. Phoenix has annotations of traces and sessions as well: three endpoints
// alike, of which this example shows one.
//
// Phoenix writes and deletes by id, whatever project the id belongs to. A call of the contract stays in
// the project it names, so each looks there first.

#include <inttypes.h>
#include <string.h>

#include "service.h"
#include "times.h"

typedef exports_roost_telemetry_annotation_store_annotation_t annotation;
typedef exports_roost_telemetry_annotation_store_new_annotation_t new_annotation;
typedef exports_roost_telemetry_annotation_store_target_t target;

static const char *const KINDS[] = {
    [ROOST_TELEMETRY_TYPES_ANNOTATOR_KIND_HUMAN] = "HUMAN",
    [ROOST_TELEMETRY_TYPES_ANNOTATOR_KIND_LLM] = "LLM",
    [ROOST_TELEMETRY_TYPES_ANNOTATOR_KIND_CODE] = "CODE",
};

static const char DELETE[] = "mutation ($ids: [ID!]!) {"
                             " deleteSpanAnnotations(input: { annotationIds: $ids }) { __typename } }";

static bool expect_span(const target *it, failure *error) {
    if (it->tag == EXPORTS_ROOST_TELEMETRY_ANNOTATION_STORE_TARGET_SPAN) return true;
    return fail(error, ROOST_TELEMETRY_TYPES_ERROR_UNSUPPORTED,
                "this example annotates spans, no traces and no sessions");
}

// Append a parameter that comes once for each item.
static void append(text *path, const char *key, const char *value, size_t length) {
    text_print(path, "&%s=", key);
    text_part(path, (provider_string_t){(uint8_t *)value, length});
}

static void append_span(text *path, const char *key, const target *it) {
    append(path, key, (char *)it->val.span.span_id.ptr, it->val.span.span_id.len);
}

// Whether a value is this text.
static bool is_text(json value, provider_string_t expected) {
    text it = json_text(value);
    bool same = it.length == expected.len && (it.length == 0 || memcmp(it.data, expected.ptr, it.length) == 0);
    text_free(&it);
    return same;
}

// A page of the annotations of some spans, which `parameters` name; freed are those.
static bool list(provider_string_t project, text parameters, uint32_t limit,
                 provider_option_string_t cursor, text *answer, failure *error) {
    text path = {0}, itself = {0}, ignored;
    bool fine = service_project(project, "/span_annotations", &path, error);
    if (fine) {
        text_print(&path, "?limit=%" PRIu32 "%s", limit, parameters.data);
        if (cursor.is_some) append(&path, "cursor", (char *)cursor.val.ptr, cursor.val.len);
        fine = service_get(path, answer, error);
    }
    text_free(&parameters);
    if (fine || error->tag != ROOST_TELEMETRY_TYPES_ERROR_NOT_FOUND) return fine;
    // It is said of a project that does not exist, and also where none of the spans does.
    provider_string_free(&error->val.not_found);
    if (!service_project(project, "", &itself, error) || !service_get(itself, &ignored, error)) return false;
    text_free(&ignored);
    *answer = (text){0};
    text_print(answer, "{\"data\":[],\"next_cursor\":null}");
    return true;
}

static void append_member(text *into, const char *key, provider_option_string_t value) {
    text_print(into, "\"%s\":", key);
    if (value.is_some) text_quoted(into, value.val);
    else text_print(into, "null");
}

static void to_json(const new_annotation *it, text *into) {
    text_print(into, "{\"span_id\":");
    text_quoted(into, it->target.val.span.span_id);
    text_print(into, ",\"name\":");
    text_quoted(into, it->name);
    text_print(into, ",\"annotator_kind\":\"%s\",\"result\":{", KINDS[it->annotator]);
    append_member(into, "label", it->label);
    text_print(into, ",");
    append_member(into, "explanation", it->explanation);
    if (it->score.is_some) text_print(into, ",\"score\":%.17g", it->score.val);
    text_print(into, "},\"metadata\":");
    if (it->metadata.is_some) text_bytes(into, it->metadata.val.ptr, it->metadata.val.len);
    else text_print(into, "null");
    text_print(into, ",\"identifier\":");
    text_quoted(into, it->identifier);
    text_print(into, "}");
}

// That all spans which are to be annotated are in the project.
static bool expect_spans(provider_string_t project,
                         const exports_roost_telemetry_annotation_store_list_new_annotation_t *these,
                         failure *error) {
    text path = {0}, answer;
    if (!service_project(project, "/spans", &path, error)) return false;
    text_print(&path, "?limit=%zu", these->len);
    for (size_t at = 0; at < these->len; at++) append_span(&path, "span_id", &these->ptr[at].target);
    if (!service_get(path, &answer, error)) return false;
    bool fine = true;
    for (size_t at = 0; fine && at < these->len; at++) {
        provider_string_t wanted = these->ptr[at].target.val.span.span_id;
        json it = json_first(json_member(answer.data, "data"));
        while (it && !is_text(json_member(json_member(it, "context"), "span_id"), wanted)) it = json_next(it);
        if (!it) {
            fine = fail(error, ROOST_TELEMETRY_TYPES_ERROR_NOT_FOUND, "project `%.*s` has no span `%.*s`",
                        SHOWN(project), SHOWN(wanted));
        }
    }
    text_free(&answer);
    return fine;
}

bool exports_roost_telemetry_annotation_store_add_annotations(
    provider_string_t *project,
    exports_roost_telemetry_annotation_store_list_new_annotation_t *annotations,
    provider_list_string_t *ids, failure *error) {
    bool fine = true;
    for (size_t at = 0; fine && at < annotations->len; at++) {
        fine = expect_span(&annotations->ptr[at].target, error);
    }
    text answer;
    if (fine && (fine = expect_spans(*project, annotations, error))) {
        text path = {0}, body = {0};
        // Only a synchronous write says what it did.
        text_print(&path, "/v1/span_annotations?sync=true");
        for (size_t at = 0; at < annotations->len; at++) {
            text_print(&body, at > 0 ? "," : "{\"data\":[");
            to_json(&annotations->ptr[at], &body);
        }
        text_print(&body, "]}");
        fine = service_post(path, body, &answer, error);
    }
    if (fine) {
        json it = json_first(json_member(answer.data, "data"));
        ids->ptr = list_of(annotations->len, sizeof *ids->ptr);
        ids->len = annotations->len;
        for (size_t at = 0; at < ids->len; at++, it = it ? json_next(it) : NULL) {
            // An id tells the span, without which it could not be found again.
            text id = json_text(json_member(it, "id"));
            ids->ptr[at] = string_of("%.*s:%s", SHOWN(annotations->ptr[at].target.val.span.span_id),
                                     id.data ? id.data : "");
            text_free(&id);
        }
        text_free(&answer);
    }
    provider_string_free(project);
    exports_roost_telemetry_annotation_store_list_new_annotation_free(annotations);
    return fine;
}

static provider_option_string_t option(json value) {
    return (provider_option_string_t){json_is_there(value), text_give(json_text(value))};
}

static annotation from_json(json wire, const exports_roost_telemetry_annotation_store_list_target_t *targets) {
    json result = json_member(wire, "result"), score = json_member(result, "score");
    json metadata = json_member(wire, "metadata");
    text id = json_text(json_member(wire, "id")), kind = json_text(json_member(wire, "annotator_kind"));
    provider_string_t span = text_give(json_text(json_member(wire, "span_id")));
    annotation it = {
        .id = string_of("%.*s:%s", SHOWN(span), id.data ? id.data : ""),
        .target = {EXPORTS_ROOST_TELEMETRY_ANNOTATION_STORE_TARGET_SPAN, {.span = {.span_id = span}}},
        .name = text_give(json_text(json_member(wire, "name"))),
        .label = option(json_member(result, "label")),
        .score = {json_is_there(score), json_number(score)},
        .explanation = option(json_member(result, "explanation")),
        .identifier = text_give(json_text(json_member(wire, "identifier"))),
        .created_at = {true, json_instant(json_member(wire, "created_at"))},
        .updated_at = {true, json_instant(json_member(wire, "updated_at"))},
    };
    for (size_t code = 0; kind.data && code < sizeof KINDS / sizeof *KINDS; code++) {
        if (strcmp(kind.data, KINDS[code]) == 0) it.annotator = code;
    }
    // Phoenix keeps an empty object where there was none.
    if (json_first(metadata)) {
        it.metadata.is_some = true;
        it.metadata.val = text_give(json_source(metadata));
    }
    // The trace of the span, where the caller knows it: Phoenix does not say.
    for (size_t at = 0; at < targets->len; at++) {
        const roost_telemetry_types_span_ref_t *known = &targets->ptr[at].val.span;
        if (it.target.val.span.trace_id.len == 0 && is_text(json_member(wire, "span_id"), known->span_id)) {
            it.target.val.span.trace_id = string_of("%.*s", SHOWN(known->trace_id));
        }
    }
    text_free(&id);
    text_free(&kind);
    return it;
}

bool exports_roost_telemetry_annotation_store_get_annotations(
    provider_string_t *project, exports_roost_telemetry_annotation_store_list_target_t *targets,
    provider_list_string_t *maybe_names,
    exports_roost_telemetry_annotation_store_page_request_t *page,
    exports_roost_telemetry_annotation_store_annotation_page_t *found, failure *error) {
    bool fine = true;
    text parameters = {0}, answer;
    for (size_t at = 0; fine && at < targets->len; at++) {
        fine = expect_span(&targets->ptr[at], error);
        if (fine) append_span(&parameters, "span_ids", &targets->ptr[at]);
    }
    for (size_t at = 0; maybe_names && at < maybe_names->len; at++) {
        append(&parameters, "include_annotation_names", (char *)maybe_names->ptr[at].ptr, maybe_names->ptr[at].len);
    }
    *found = (exports_roost_telemetry_annotation_store_annotation_page_t){0};
    // Of no names there are no annotations.
    if (!fine || (maybe_names && maybe_names->len == 0)) {
        text_free(&parameters);
    } else if ((fine = list(*project, parameters, page->limit, page->cursor, &answer, error))) {
        json all = json_member(answer.data, "data");
        found->annotations.len = json_count(all);
        found->annotations.ptr = list_of(found->annotations.len, sizeof(annotation));
        annotation *next = found->annotations.ptr;
        for (json it = json_first(all); it; it = json_next(it)) *next++ = from_json(it, targets);
        found->cursor = option(json_member(answer.data, "next_cursor"));
        text_free(&answer);
    }
    provider_string_free(project);
    exports_roost_telemetry_annotation_store_list_target_free(targets);
    if (maybe_names) provider_list_string_free(maybe_names);
    provider_option_string_free(&page->cursor);
    return fine;
}

// Whether a selection takes in an annotation of the project.
static bool is_doomed(json it, const exports_roost_telemetry_annotation_store_selection_t *selection) {
    if (selection->tag == EXPORTS_ROOST_TELEMETRY_ANNOTATION_STORE_SELECTION_KEY) {
        provider_option_string_t identifier = selection->val.key.identifier;
        return !identifier.is_some || is_text(json_member(it, "identifier"), identifier.val);
    }
    bool found = false;
    for (size_t at = 0; !found && at < selection->val.ids.len; at++) {
        provider_string_t id = selection->val.ids.ptr[at];
        const uint8_t *colon = memchr(id.ptr, ':', id.len);
        if (!colon) continue;
        size_t before = colon + 1 - id.ptr;
        found = is_text(json_member(it, "id"), (provider_string_t){id.ptr + before, id.len - before});
    }
    return found;
}

// Delete what is in a list of Phoenix's ids.
static bool delete_ids(text ids, failure *error) {
    text path = {0}, body = {0}, answer;
    text_print(&path, "/graphql");
    text_print(&body, "{\"query\":\"%s\",\"variables\":{\"ids\":[%s]}}", DELETE, ids.data);
    text_free(&ids);
    if (!service_post(path, body, &answer, error)) return false;
    // GraphQL answers a failure with status 200.
    text errors = json_source(json_member(answer.data, "errors"));
    text_free(&answer);
    if (errors.length == 0) return true;
    error->tag = ROOST_TELEMETRY_TYPES_ERROR_BACKEND;
    error->val.backend.status = 200;
    error->val.backend.excerpt = text_give(errors);
    return false;
}

bool exports_roost_telemetry_annotation_store_delete_annotations(
    provider_string_t *project, exports_roost_telemetry_annotation_store_selection_t *selection,
    failure *error) {
    text parameters = {0}, answer, ids = {0};
    text_bytes(&parameters, "", 0);
    bool fine = true;
    if (selection->tag == EXPORTS_ROOST_TELEMETRY_ANNOTATION_STORE_SELECTION_KEY) {
        provider_string_t name = selection->val.key.name;
        fine = expect_span(&selection->val.key.target, error);
        if (fine) append_span(&parameters, "span_ids", &selection->val.key.target);
        append(&parameters, "include_annotation_names", (char *)name.ptr, name.len);
    }
    for (size_t at = 0; selection->tag != EXPORTS_ROOST_TELEMETRY_ANNOTATION_STORE_SELECTION_KEY &&
                        at < selection->val.ids.len; at++) {
        provider_string_t id = selection->val.ids.ptr[at];
        const uint8_t *colon = memchr(id.ptr, ':', id.len);
        append(&parameters, "span_ids", (char *)id.ptr, colon ? colon - id.ptr : id.len);
    }
    provider_option_string_t cursor = {0};
    do {
        text again = {0};
        text_print(&again, "%s", parameters.data);
        fine = fine && list(*project, again, 1000, cursor, &answer, error);
        provider_option_string_free(&cursor);
        cursor.is_some = false;
        if (!fine) break;
        for (json it = json_first(json_member(answer.data, "data")); it; it = json_next(it)) {
            if (!is_doomed(it, selection)) continue;
            text id = json_source(json_member(it, "id"));
            text_print(&ids, "%s%s", ids.length > 0 ? "," : "", id.data);
            text_free(&id);
        }
        cursor = option(json_member(answer.data, "next_cursor"));
        text_free(&answer);
    } while (cursor.is_some);
    text_free(&parameters);
    if (fine && ids.length > 0) fine = delete_ids(ids, error);
    else text_free(&ids);
    provider_string_free(project);
    exports_roost_telemetry_annotation_store_selection_free(selection);
    return fine;
}
