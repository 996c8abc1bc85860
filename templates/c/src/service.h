// The backend: where it is, and what its answers mean.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "provider.h"
#include "text.h"

// An error of the contract.
typedef roost_telemetry_types_error_t failure;

// Take the configuration, once.
bool service_configure(provider_string_t config, failure *error);

// Ask for what is at a path, which is freed. The answer is whole JSON, to be freed.
bool service_get(text path, text *answer, failure *error);

// Send a body to a path; both are freed.
bool service_post(text path, text body, text *answer, failure *error);

// Say what went wrong, and false: `return fail(error, ..._ERROR_NOT_FOUND, "no project `%s`", name)`.
// For those errors of the contract that hold a string and nothing else.
bool fail(failure *error, uint8_t tag, const char *format, ...) __attribute__((format(printf, 3, 4)));
