#include "span.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "times.h"

typedef roost_telemetry_types_attribute_t attribute;
typedef roost_telemetry_types_list_attribute_t attributes;
typedef roost_telemetry_types_event_t event;

// The string in an object's member.
static provider_string_t string(json object, const char *key) {
    return text_give(json_text(json_member(object, key)));
}

attribute_value value_from_json(json from) {
    attribute_value it = {.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_NUMBER};
    text source = json_source(from);
    if (*from == '"') {
        it.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_TEXT;
        it.val.text = text_give(json_text(from));
    } else if (*from == 't' || *from == 'f') {
        it.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_BOOLEAN;
        it.val.boolean = *from == 't';
    } else if (*from == '{' || *from == '[') {
        it.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_JSON;
        it.val.json = text_give(source);
        return it;
    } else {
        errno = 0;
        long long integer = json_integer(from);
        if (errno == 0 && !strpbrk(source.data, ".eE")) {
            it.tag = ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_INTEGER;
            it.val.integer = integer;
        } else {
            it.val.number = json_number(from);
        }
    }
    text_free(&source);
    return it;
}

// Phoenix hands attributes out flat.
static attributes attributes_from_json(json object) {
    json wire = json_member(object, "attributes");
    attributes into = {list_of(json_count(wire), sizeof(attribute)), 0};
    for (json key = json_first(wire); key; key = json_next(key)) {
        if (!json_is_there(json_value(key))) continue;
        into.ptr[into.len++] = (attribute){text_give(json_text(key)), value_from_json(json_value(key))};
    }
    // An empty list has no memory that its owner would free.
    if (into.len == 0) {
        free(into.ptr);
        into.ptr = NULL;
    }
    return into;
}

// Events in the order of time: each is put before those that came later.
static roost_telemetry_types_list_event_t events_from_json(json wire) {
    roost_telemetry_types_list_event_t into = {list_of(json_count(wire), sizeof(event)), 0};
    for (json one = json_first(wire); one; one = json_next(one)) {
        event it = {string(one, "name"), json_instant(json_member(one, "timestamp")),
                    attributes_from_json(one)};
        size_t place = into.len++;
        for (; place > 0 && into.ptr[place - 1].time > it.time; place--) {
            into.ptr[place] = into.ptr[place - 1];
        }
        into.ptr[place] = it;
    }
    return into;
}

span span_from_json(json from) {
    json context = json_member(from, "context"), parent = json_member(from, "parent_id");
    text kind = json_text(json_member(from, "span_kind"));
    if (kind.length == 0) text_print(&kind, "UNKNOWN");
    for (char *letter = kind.data; *letter; letter++) *letter = toupper((unsigned char)*letter);
    span it = {
        .trace_id = string(context, "trace_id"),
        .span_id = string(context, "span_id"),
        .parent_id = {.val = text_give(json_text(parent))},
        .name = string(from, "name"),
        .kind = text_give(kind),
        .status_message = string(from, "status_message"),
        .start_time = json_instant(json_member(from, "start_time")),
        .end_time = json_instant(json_member(from, "end_time")),
        .attributes = attributes_from_json(from),
        .events = events_from_json(json_member(from, "events")),
        // Phoenix keeps neither links nor the resource.
    };
    it.parent_id.is_some = it.parent_id.val.len > 0;
    text status = json_text(json_member(from, "status_code"));
    if (status.data && strcmp(status.data, "OK") == 0) it.status = ROOST_TELEMETRY_TYPES_STATUS_CODE_OK;
    if (status.data && strcmp(status.data, "ERROR") == 0) it.status = ROOST_TELEMETRY_TYPES_STATUS_CODE_ERROR;
    text_free(&status);
    return it;
}
