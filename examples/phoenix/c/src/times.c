#include "times.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

void text_iso(text *into, uint64_t nanoseconds) {
    uint64_t microseconds = nanoseconds / 1000 + (nanoseconds % 1000 > 0);
    time_t seconds = microseconds / 1000000;
    struct tm parts;
    gmtime_r(&seconds, &parts);
    text_print(into, "%04d-%02d-%02dT%02d:%02d:%02d.%06" PRIu64 "Z", parts.tm_year + 1900,
               parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
               microseconds % 1000000);
}

uint64_t json_instant(json iso) {
    text it = json_text(iso);
    struct tm parts = {0};
    int end = 0;
    double fraction = 0;
    int found = sscanf(it.data ? it.data : "", "%d-%d-%dT%d:%d:%d%n", &parts.tm_year, &parts.tm_mon,
                       &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &end);
    uint64_t nanoseconds = 0;
    if (found == 6) {
        sscanf(it.data + end, "%lf", &fraction);
        parts.tm_year -= 1900;
        parts.tm_mon -= 1;
        nanoseconds = timegm(&parts) * UINT64_C(1000000000) + (uint64_t)(fraction * 1e6 + 0.5) * 1000;
    }
    text_free(&it);
    return nanoseconds;
}
