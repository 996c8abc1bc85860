// A span as the service spells it, and as the contract does.
//
// Times and whole numbers are texts in the service's JSON, as in OTLP's: not every reader of JSON
// keeps all digits of a large number.

#pragma once

#include "json.h"
#include "provider.h"
#include "text.h"

typedef roost_telemetry_types_span_t span;

// Append a span as JSON.
void span_to_json(const span *from, text *into);

// A span from JSON, which owns all that it points at.
span span_from_json(json from);
