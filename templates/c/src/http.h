// One request over `wasi:http`. The host keeps connections, adds credentials and repeats what is safe
// to repeat.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service.h"
#include "text.h"

// What was answered.
typedef struct {
    uint16_t status;
    text body;
} http_answer;

// `GET` an address, or `POST` a body to it. False says that nothing was answered, and `error` why.
bool http_request(const char *address, const text *body, http_answer *answer, failure *error);
