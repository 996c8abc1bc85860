// What can be tested without a host: `make test` runs it, and `roost check` for the rest.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "span.h"
#include "times.h"

static void same(const char *what, const char *found, const char *expected) {
    if (strcmp(found, expected) == 0) return;
    fprintf(stderr, "%s: found %s and not %s\n", what, found, expected);
    exit(1);
}

static void an_instant_comes_back_in_microseconds(void) {
    text iso = {0}, back = {0};
    text_iso(&iso, UINT64_C(1795282282033000001));
    same("a time", iso.data, "2026-11-21T17:31:22.033001Z");
    text_print(&back, "%" PRIu64 " %" PRIu64, json_instant("\"2026-11-21T17:31:22.033001+00:00\""),
               json_instant("\"2026-11-21T17:31:22+00:00\""));
    same("instants", back.data, "1795282282033001000 1795282282000000000");
}

static void a_value_keeps_its_type_and_its_digits(void) {
    static const char JSON[] = "[false,9007199254740993,9223372036854775808,0.5,\"1\",[1]]";
    static const uint8_t TAGS[] = {
        ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_BOOLEAN, ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_INTEGER,
        ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_NUMBER,  ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_NUMBER,
        ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_TEXT,    ROOST_TELEMETRY_TYPES_ATTRIBUTE_VALUE_JSON,
    };
    size_t place = 0;
    for (json it = json_first(JSON); it; it = json_next(it), place++) {
        attribute_value value = value_from_json(it);
        same(it, value.tag == TAGS[place] ? "its type" : "another type", "its type");
        if (place == 1) same(it, value.val.integer == INT64_C(9007199254740993) ? "whole" : "cut", "whole");
    }
}

int main(void) {
    an_instant_comes_back_in_microseconds();
    a_value_keeps_its_type_and_its_digits();
    puts("all tests passed");
}
