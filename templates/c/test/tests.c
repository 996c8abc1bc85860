// What can be tested without a host: `make test` runs it, and `roost check` for the rest.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "span.h"

// Unlike `assert`, it says what is so.
static void same(const char *what, const char *found, const char *expected) {
    if (strcmp(found, expected) == 0) return;
    fprintf(stderr, "%s: found %s\n%*sand not %s\n", what, found, (int)strlen(what) + 2, "", expected);
    exit(1);
}

static void a_span_comes_back_as_it_went(void) {
    static const char WIRE[] =
        "{\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\","
        "\"parent_id\":null,\"name\":\"gr\u00f6\u00dfe\",\"kind\":\"LLM\",\"status\":\"error\","
        "\"status_message\":\"a \\u0022quote\\u0022\",\"start\":\"18446744073709551614\","
        "\"end\":\"18446744073709551615\",\"attributes\":["
        "{\"key\":\"boolean\",\"boolean\":false},{\"key\":\"integer\",\"integer\":\"-9007199254740993\"},"
        "{\"key\":\"number\",\"number\":0.5},{\"key\":\"json\",\"json\":\"[1]\"}],"
        "\"events\":[{\"name\":\"event\",\"time\":\"7\",\"attributes\":[{\"key\":\"\",\"text\":\"\"}]}]}";
    text written = {0};
    span read = span_from_json(WIRE);
    span_to_json(&read, &written);
    same("a span", written.data, WIRE);
}

static void escapes_are_the_characters_they_mean(void) {
    static const char JSON[] = "\"\\u00fc\\n\\ud83d\\ude00\\\"\\/\\ud83d\"";
    same("a text", json_text(JSON).data, "\u00fc\n\U0001F600\"/\uFFFD");
}

static void members_are_found_at_their_depth(void) {
    static const char JSON[] = " { \"a\" : { \"b\" : [ 1 , \"}\" ] } , \"b\" : 2 } ";
    json object = JSON + 1;
    char found[32];
    snprintf(found, sizeof found, "%d %d %zu", json_check(JSON),
             (int)json_integer(json_member(object, "b")), json_count(object));
    same("checked, b, members", found, "1 2 2");
    same("the source", json_source(json_member(object, "a")).data, "{ \"b\" : [ 1 , \"}\" ] }");
}

static void what_is_no_json_is_told_apart(void) {
    static const char *const BROKEN[] = {
        "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", "-", "tru", "\"a", "\"\\x\"", "\"\\u12\"",
        "\"\n\"", "\"\xff\"", "\"\xc0\xaf\"", "1 2", "nan", "[}",
    };
    for (size_t at = 0; at < sizeof BROKEN / sizeof *BROKEN; at++) {
        same(BROKEN[at], json_check(BROKEN[at]) ? "JSON" : "none", "none");
    }
}

static void a_part_of_a_path_holds_any_name(void) {
    static char NAME[] = "a/b \u00fc";
    text path = {0};
    text_part(&path, (provider_string_t){(uint8_t *)NAME, strlen(NAME)});
    same("a part", path.data, "a%2Fb%20%C3%BC");
}

int main(void) {
    a_span_comes_back_as_it_went();
    escapes_are_the_characters_they_mean();
    members_are_found_at_their_depth();
    what_is_no_json_is_told_apart();
    a_part_of_a_path_holds_any_name();
    puts("all tests passed");
}
