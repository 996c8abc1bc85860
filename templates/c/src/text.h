// A text that grows.

#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "provider.h"

// Its bytes, which end with a zero that `length` does not count. Begins as `(text){0}`.
typedef struct {
    char *data;
    size_t length;
    size_t capacity;
} text;

// Append bytes; what `printf` would print; a part of a path or query, percent-encoded; a JSON string
// with its quotes.
void text_bytes(text *into, const void *bytes, size_t length);
void text_print(text *into, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_print_list(text *into, const char *format, va_list values);
void text_part(text *into, provider_string_t part);
void text_quoted(text *into, provider_string_t string);

// Let go of a text.
void text_free(text *it);

// Hand a text on as a string of the contract, which whoever gets it frees.
provider_string_t text_give(text it);

// A new string of the contract, and the one that is already there as a `printf` argument:
// `"%.*s", SHOWN(name)`.
provider_string_t string_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define SHOWN(string) (int)(string).len, (const char *)(string).ptr

// `count` zeroed items of a list; a program without memory ends.
void *list_of(size_t count, size_t size);
