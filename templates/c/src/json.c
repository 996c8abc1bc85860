#include "json.h"

#include <stdlib.h>
#include <string.h>

static const char SPACE[] = " \t\n\r";

static json after_space(json at) { return at + strspn(at, SPACE); }

// What follows checks a text: each returns the place behind what it found, or NULL.

// A character in UTF-8: the host takes no other strings from a component.
static json check_character(json at) {
    static const unsigned LEAST[] = {0x20, 0x80, 0x800, 0x10000};
    unsigned char lead = *at++;
    int more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : -1;
    if (more < 0) return NULL;
    unsigned character = more == 0 ? lead : lead & (0x3F >> more);
    for (int part = 0; part < more; part++, at++) {
        if ((*at & 0xC0) != 0x80) return NULL;
        character = character << 6 | (*at & 0x3F);
    }
    bool is_half = character >> 11 == 0xD800 >> 11;
    return character >= LEAST[more] && character <= 0x10FFFF && !is_half ? at : NULL;
}

static json check_escape(json at) {
    if (*at == 'u') return strspn(at + 1, "0123456789abcdefABCDEF") < 4 ? NULL : at + 5;
    return *at && strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
}

static json check_string(json at) {
    if (*at++ != '"') return NULL;
    while (at && *at != '"') at = *at == '\\' ? check_escape(at + 1) : check_character(at);
    return at ? at + 1 : NULL;
}

static json check_digits(json at) {
    size_t count = strspn(at, "0123456789");
    return count > 0 ? at + count : NULL;
}

static json check_number(json at) {
    if (*at == '-') at++;
    at = *at == '0' ? at + 1 : check_digits(at);
    if (at && *at == '.') at = check_digits(at + 1);
    if (at && (*at == 'e' || *at == 'E')) {
        at++;
        if (*at == '+' || *at == '-') at++;
        at = check_digits(at);
    }
    return at;
}

static json check_value(json at, int depth);

static json check_items(json at, int depth, char end) {
    at = after_space(at + 1);
    if (*at == end) return at + 1;
    for (;;) {
        if (end == '}') {
            at = check_string(at);
            if (!at) return NULL;
            at = after_space(at);
            if (*at++ != ':') return NULL;
        }
        at = check_value(after_space(at), depth + 1);
        if (!at) return NULL;
        at = after_space(at);
        if (*at == end) return at + 1;
        if (*at++ != ',') return NULL;
        at = after_space(at);
    }
}

static json check_value(json at, int depth) {
    static const char *const WORDS[] = {"true", "false", "null"};
    if (depth > 100) return NULL;
    if (*at == '{') return check_items(at, depth, '}');
    if (*at == '[') return check_items(at, depth, ']');
    if (*at == '"') return check_string(at);
    for (int word = 0; word < 3; word++) {
        size_t length = strlen(WORDS[word]);
        if (strncmp(at, WORDS[word], length) == 0) return at + length;
    }
    return check_number(at);
}

bool json_check(const char *text) {
    json end = check_value(after_space(text), 0);
    return end && *after_space(end) == 0;
}

// From here on texts are checked.

static json behind_string(json at) {
    for (at++; *at != '"'; at++) {
        if (*at == '\\') at++;
    }
    return at + 1;
}

// The place behind a value.
static json behind(json at) {
    int depth = 0;
    do {
        switch (*at) {
        case '"': at = behind_string(at); break;
        case '{':
        case '[': depth++, at++; break;
        case '}':
        case ']': depth--, at++; break;
        // What is between values; the rest is numbers and words.
        case ',':
        case ':':
        case ' ':
        case '\t':
        case '\n':
        case '\r': at++; break;
        default: at += strcspn(at, ",]} \t\n\r");
        }
    } while (depth > 0);
    return at;
}

json json_first(json at) {
    if (!at || !strchr("{[", *at)) return NULL;
    at = after_space(at + 1);
    return strchr("]}", *at) ? NULL : at;
}

json json_next(json at) {
    at = after_space(behind(at));
    if (*at == ':') at = after_space(behind(after_space(at + 1)));
    return *at == ',' ? after_space(at + 1) : NULL;
}

size_t json_count(json list_or_object) {
    size_t count = 0;
    for (json at = json_first(list_or_object); at; at = json_next(at)) count++;
    return count;
}

json json_value(json key) {
    return after_space(after_space(behind_string(key)) + 1);
}

json json_member(json object, const char *key) {
    if (!object || *object != '{') return NULL;
    size_t length = strlen(key);
    for (json at = json_first(object); at; at = json_next(at)) {
        // Keys that are looked for have nothing to escape.
        if (strncmp(at + 1, key, length) == 0 && at[1 + length] == '"') return json_value(at);
    }
    return NULL;
}

bool json_is_there(json value) { return value && *value != 'n'; }

static unsigned hexadecimal(json at) {
    char digits[5] = {at[0], at[1], at[2], at[3]};
    return strtoul(digits, NULL, 16);
}

// A character in UTF-8.
static void append_character(text *into, unsigned character) {
    unsigned char bytes[4];
    int length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const unsigned char MARK[] = {0, 0xC0, 0xE0, 0xF0};
    for (int at = length - 1; at > 0; at--, character >>= 6) bytes[at] = 0x80 | (character & 0x3F);
    bytes[0] = MARK[length - 1] | character;
    text_bytes(into, bytes, length);
}

// What a backslash begins; returned is the place behind it.
static json append_escape(text *into, json at) {
    static const char NAMES[] = "bfnrt", MEANT[] = "\b\f\n\r\t";
    const char *name = strchr(NAMES, at[1]);
    if (name) text_bytes(into, MEANT + (name - NAMES), 1);
    else if (at[1] != 'u') text_bytes(into, at + 1, 1);
    if (at[1] != 'u') return at + 2;
    unsigned character = hexadecimal(at + 2);
    at += 6;
    // Two halves are one character; a half alone is none.
    if (character >> 10 == 0xD800 >> 10 && at[0] == '\\' && at[1] == 'u') {
        unsigned low = hexadecimal(at + 2);
        if (low >> 10 == 0xDC00 >> 10) {
            character = 0x10000 + ((character & 0x3FF) << 10 | (low & 0x3FF));
            at += 6;
        }
    }
    append_character(into, character >> 11 == 0xD800 >> 11 ? 0xFFFD : character);
    return at;
}

text json_text(json value) {
    text it = {0};
    if (!value || *value != '"') return it;
    for (json at = value + 1; *at != '"';) {
        size_t plain = strcspn(at, "\"\\");
        text_bytes(&it, at, plain);
        at += plain;
        if (*at == '\\') at = append_escape(&it, at);
    }
    return it;
}

text json_source(json value) {
    text it = {0};
    if (value) text_bytes(&it, value, behind(value) - value);
    return it;
}

// Where the digits begin.
static json digits(json value) { return value && *value == '"' ? value + 1 : value; }

double json_number(json value) { return value ? strtod(digits(value), NULL) : 0; }

unsigned long long json_unsigned(json value) {
    return value ? strtoull(digits(value), NULL, 10) : 0;
}

long long json_integer(json value) { return value ? strtoll(digits(value), NULL, 10) : 0; }
