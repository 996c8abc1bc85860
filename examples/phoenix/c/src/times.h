// Phoenix writes times as ISO 8601 in microseconds and UTC, the contract as nanoseconds since 1970.

#pragma once

#include <stdint.h>

#include "json.h"
#include "text.h"

// Append the first microsecond that is not before an instant: an end of a window stays outside.
void text_iso(text *into, uint64_t nanoseconds);

uint64_t json_instant(json iso);
