// A span as Phoenix spells it, and as the contract does.

#pragma once

#include "json.h"
#include "provider.h"
#include "text.h"

typedef roost_telemetry_types_span_t span;
typedef roost_telemetry_types_attribute_value_t attribute_value;

// A span from JSON, which owns all that it points at.
span span_from_json(json from);

// The value of an attribute from JSON; there is none of a null.
attribute_value value_from_json(json from);
