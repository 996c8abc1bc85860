// Phoenix: where it is, how it is asked, and what its answers mean.

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

// Where Phoenix is, without a slash at its end.
const char *service_endpoint(void);

// The path of what belongs to a project. Phoenix finds no project in a path whose name holds a slash, or
// is a step of the path.
bool service_project(provider_string_t project, const char *what, text *path, failure *error);

// Ask for what is at a path, as it comes, or for JSON; `path` is freed.
bool service_get_text(text path, text *answer, failure *error);
bool service_get(text path, text *answer, failure *error);

// Send JSON to a path, and get JSON; both are freed.
bool service_post(text path, text body, text *answer, failure *error);

// Say what went wrong, and false: `return fail(error, ..._ERROR_NOT_FOUND, "no project `%s`", name)`.
// For those errors of the contract that hold a string and nothing else.
bool fail(failure *error, uint8_t tag, const char *format, ...) __attribute__((format(printf, 3, 4)));
