// JSON, read without a tree: a value is the place in a text where it begins.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

// A value of a text that `json_check` has found whole; NULL where there is none.
typedef const char *json;

// Whether a text is one JSON value (RFC 8259), nested no deeper than 100. All else here is for texts
// of which this was true.
bool json_check(const char *text);

// The items of a list, and the keys of an object, in order: NULL where there is none or no further.
json json_first(json list_or_object);
json json_next(json item_or_key);

// How many there are.
size_t json_count(json list_or_object);

// The value of a key that `json_first` or `json_next` gave.
json json_value(json key);

// The value of an object's member; NULL without one, and where this is no object.
json json_member(json object, const char *key);

// Whether there is a value, and no `null`.
bool json_is_there(json value);

// A text without its quotes and escapes, to be freed. Of what is no text, none.
text json_text(json value);

// A value as it stands in its text: a list or an object as JSON, say. To be freed.
text json_source(json value);

// A number, and 0 of what is none; also of a number in a text, which is how 64 bits are sent.
double json_number(json value);
unsigned long long json_unsigned(json value);
long long json_integer(json value);
