#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Make room for more bytes and the zero.
static void reserve(text *into, size_t more) {
    size_t needed = into->length + more + 1;
    if (needed <= into->capacity) return;
    into->capacity = needed > 2 * into->capacity ? needed : 2 * into->capacity;
    into->data = realloc(into->data, into->capacity);
    // Out of memory: the call ends, and the host makes another instance.
    if (!into->data) abort();
}

void text_bytes(text *into, const void *bytes, size_t length) {
    reserve(into, length);
    if (length > 0) memcpy(into->data + into->length, bytes, length);
    into->length += length;
    into->data[into->length] = 0;
}

void text_print_list(text *into, const char *format, va_list values) {
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    if (length < 0) abort();
    reserve(into, length);
    vsnprintf(into->data + into->length, length + 1, format, again);
    into->length += length;
    va_end(again);
}

void text_print(text *into, const char *format, ...) {
    va_list values;
    va_start(values, format);
    text_print_list(into, format, values);
    va_end(values);
}

void text_part(text *into, provider_string_t part) {
    static const char PLAIN[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t at = 0; at < part.len; at++) {
        unsigned char byte = part.ptr[at];
        bool plain = memchr(PLAIN, byte, sizeof PLAIN - 1);
        text_print(into, plain ? "%c" : "%%%02X", byte);
    }
}

void text_quoted(text *into, provider_string_t string) {
    text_bytes(into, "\"", 1);
    size_t plain = 0;
    for (size_t at = 0; at < string.len; at++) {
        unsigned char byte = string.ptr[at];
        if (byte >= ' ' && byte != '"' && byte != '\\') continue;
        text_bytes(into, string.ptr + plain, at - plain);
        text_print(into, "\\u%04x", byte);
        plain = at + 1;
    }
    text_bytes(into, string.ptr + plain, string.len - plain);
    text_bytes(into, "\"", 1);
}

void text_free(text *it) {
    free(it->data);
    *it = (text){0};
}

provider_string_t text_give(text it) {
    // An empty string has no memory that its owner would free.
    if (it.length == 0) text_free(&it);
    return (provider_string_t){(uint8_t *)it.data, it.length};
}

provider_string_t string_of(const char *format, ...) {
    text it = {0};
    va_list values;
    va_start(values, format);
    text_print_list(&it, format, values);
    va_end(values);
    return text_give(it);
}

void *list_of(size_t count, size_t size) {
    if (count == 0) return NULL;
    void *items = calloc(count, size);
    if (!items) abort();
    return items;
}
