# shellcheck shell=bash
# How the scripts speak. Sourced.

# A line about what is being done.
say() {
    printf '==> %s\n' "$*" >&2
}

# What went wrong, and how to mend it, a line each; then the end.
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 1
}
