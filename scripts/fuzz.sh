#!/usr/bin/env bash
# Fuzzes what comes from outside: fuzz.sh <minutes for each target> [target]
#
# Inputs that reach something new are added to fuzz/corpus, which is in git; one that crashes is
# left in fuzz/artifacts. Gets cargo-fuzz if it is not there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh

version=0.13.2
minutes=$1
targets=${2:-host_patterns configuration otlp spool components filters}
folder=${CARGO_TARGET_DIR:-$PWD/target}
tools=$folder/tools
PATH=$PATH:$tools/bin

cargo +nightly --version >/dev/null 2>&1 || fail \
    "there is no nightly compiler, which fuzzing needs" \
    "Run: rustup toolchain install nightly --profile minimal"

if ! command -v cargo-fuzz >/dev/null; then
    say "cargo-fuzz $version"
    cargo install --quiet --locked --debug --root "$tools" --target-dir "$tools/build" \
        "cargo-fuzz@$version"
    rm -rf "$tools/build"
fi

# What is fuzzed is built of the versions that Roost is locked to. Without a sanitizer: Roost has no
# unsafe code, and wasmtime and DataFusion take several times as long to build with one.
cp Cargo.lock fuzz/Cargo.lock
for target in $targets; do
    features=()
    [ "$target" != filters ] || features=(--features query)
    say "$target, for $minutes minutes"
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run --sanitizer none --target-dir "$folder/fuzz" "${features[@]}" "$target" -- \
        -max_total_time=$((minutes * 60)) -timeout=60 -rss_limit_mb=4096 -print_final_stats=1
done
