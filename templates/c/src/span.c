#include "span.h"

#include <inttypes.h>
#include <string.h>

typedef roost_telemetry_types_attribute_t attribute;
typedef roost_telemetry_types_list_attribute_t attributes;
typedef roost_telemetry_types_event_t event;

static const char *const STATUS[] = {
    [ROOST_TELEMETRY_TYPES_STATUS_CODE_UNSET] = "unset",
    [ROOST_TELEMETRY_TYPES_STATUS_CODE_OK] = "ok",
    [ROOST_TELEMETRY_TYPES_STATUS_CODE_ERROR] = "error",
};

// Append `"key":` and a JSON string.
static void member(text *into, const char *key, provider_string_t value) {
    text_print(into, "\"%s\":", key);
    text_quoted(into, value);
}

static void attributes_to_json(attributes from, text *into) {
    text_print(into, "\"attributes\":[");
    for (size_t at = 0; at < from.len; at++) {
        const attribute *it = &from.ptr[at];
        text_print(into, at > 0 ? ",{" : "{");
        member(into, "key", it->key);
        text_print(into, ",");
        switch (it->value.tag) {
        case ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_TEXT:
            member(into, "text", it->value.val.text);
            break;
        case ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_BOOLEAN:
            text_print(into, "\"boolean\":%s", it->value.val.boolean ? "true" : "false");
            break;
        case ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_INTEGER:
            text_print(into, "\"integer\":\"%" PRId64 "\"", it->value.val.integer);
            break;
        case ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_NUMBER:
            text_print(into, "\"number\":%.17g", it->value.val.number);
            break;
        case ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_JSON:
            member(into, "json", it->value.val.json);
            break;
        }
        text_print(into, "}");
    }
    text_print(into, "]");
}

void span_to_json(const span *from, text *into) {
    text_print(into, "{");
    member(into, "trace_id", from->trace_id);
    text_print(into, ",");
    member(into, "span_id", from->span_id);
    text_print(into, ",");
    if (from->parent_id.is_some) member(into, "parent_id", from->parent_id.val);
    else text_print(into, "\"parent_id\":null");
    text_print(into, ",");
    member(into, "name", from->name);
    text_print(into, ",");
    member(into, "kind", from->kind);
    text_print(into, ",\"status\":\"%s\",", STATUS[from->status]);
    member(into, "status_message", from->status_message);
    text_print(into, ",\"start\":\"%" PRIu64 "\"", from->start_time);
    text_print(into, ",\"end\":\"%" PRIu64 "\",", from->end_time);
    attributes_to_json(from->attributes, into);
    text_print(into, ",\"events\":[");
    for (size_t at = 0; at < from->events.len; at++) {
        const event *it = &from->events.ptr[at];
        text_print(into, at > 0 ? ",{" : "{");
        member(into, "name", it->name);
        text_print(into, ",\"time\":\"%" PRIu64 "\",", it->time);
        attributes_to_json(it->attributes, into);
        text_print(into, "}");
    }
    text_print(into, "]}");
}

// The string in an object's member.
static provider_string_t string(json object, const char *key) {
    return text_give(json_text(json_member(object, key)));
}

static attribute attribute_from_json(json from) {
    attribute it = {.key = string(from, "key")};
    json value;
    if ((value = json_member(from, "text"))) {
        it.value.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_TEXT;
        it.value.val.text = text_give(json_text(value));
    } else if ((value = json_member(from, "boolean"))) {
        it.value.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_BOOLEAN;
        it.value.val.boolean = *value == 't';
    } else if ((value = json_member(from, "integer"))) {
        it.value.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_INTEGER;
        it.value.val.integer = json_integer(value);
    } else if ((value = json_member(from, "number"))) {
        it.value.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_NUMBER;
        it.value.val.number = json_number(value);
    } else {
        it.value.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_JSON;
        it.value.val.json = text_give(json_text(json_member(from, "json")));
    }
    return it;
}

static attributes attributes_from_json(json object) {
    json list = json_member(object, "attributes");
    size_t count = json_count(list);
    attributes into = {list_of(count, sizeof(attribute)), count};
    attribute *next = into.ptr;
    for (json it = json_first(list); it; it = json_next(it)) *next++ = attribute_from_json(it);
    return into;
}

span span_from_json(json from) {
    span it = {
        .trace_id = string(from, "trace_id"),
        .span_id = string(from, "span_id"),
        .name = string(from, "name"),
        .kind = string(from, "kind"),
        .status_message = string(from, "status_message"),
        .start_time = json_unsigned(json_member(from, "start")),
        .end_time = json_unsigned(json_member(from, "end")),
        .attributes = attributes_from_json(from),
    };
    json parent = json_member(from, "parent_id");
    it.parent_id.is_some = json_is_there(parent);
    it.parent_id.val = text_give(json_text(parent));
    text status = json_text(json_member(from, "status"));
    for (size_t code = 0; status.data && code < sizeof STATUS / sizeof *STATUS; code++) {
        if (strcmp(status.data, STATUS[code]) == 0) it.status = code;
    }
    text_free(&status);
    json events = json_member(from, "events");
    it.events.len = json_count(events);
    it.events.ptr = list_of(it.events.len, sizeof(event));
    event *next = it.events.ptr;
    for (json one = json_first(events); one; one = json_next(one)) {
        *next++ = (event){
            .name = string(one, "name"),
            .time = json_unsigned(json_member(one, "time")),
            .attributes = attributes_from_json(one),
        };
    }
    return it;
}
