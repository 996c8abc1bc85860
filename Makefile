# The commands to remember. `make demo` and `make test` need nothing before them: each
# does the set-up it finds missing, on Debian with rustup's Rust, Python 3, Node.js and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Guests are linted for the target they are built for as well.
guests := --package roost-local --package roost-phoenix --package roost-mlflow \
	--package roost-langfuse --package roost-echo --package roost-misdeeds --package roost-sink \
	--package roost-wrong

.PHONY: setup demo local phoenix test bench bench-export bench-languages bench-local fuzz plugins guests lint \
	docs wit help host-tools wasm-target venv rotel postgres registry node languages

setup: host-tools venv rotel node languages postgres registry plugins guests ## Get what is missing: wasm target, packages of Python and JavaScript, PostgreSQL, a registry, providers

# Without a server it needs one provider; with BACKEND=phoenix also a Phoenix, in .venv.
#
# Beside a test, cargo builds the program with what `make test` needs; alone, with a little
# less, and much would be built twice.
BACKEND ?= local
demo: $(if $(filter phoenix,$(BACKEND)),venv phoenix,local) ## Show it: three tenants, a provider swapped while it reads; BACKEND=phoenix on a real one
	cargo build --bin roost --bin roost-demo --test config
	@programs=$${CARGO_TARGET_DIR:-target}/debug; \
	if [ $(BACKEND) = phoenix ]; then $$programs/roost-demo $(ARGS); \
	else $$programs/roost demo --plugins plugins $(ARGS); fi

test: setup lint docs ## Prove it: formatting, lints, documentation, contract, all tests
	cargo test --workspace --no-fail-fast

bench: setup ## Measure it, beside the same done natively
	cargo bench --package roost-benches --bench ratios

bench-local: setup ## Measure `local` on SQLite, beside a real Phoenix and the same inserts done natively
	cargo bench --package roost-benches --bench local

bench-languages: setup ## Measure what `roost new` writes in each language: sizes, starts, a call
	cargo build --bin roost --test config
	scripts/build-templates.sh $${CARGO_TARGET_DIR:-target}/debug/roost $${CARGO_TARGET_DIR:-target}/languages
	folder=$$(realpath $${CARGO_TARGET_DIR:-target}/languages); \
		cargo bench --package roost-benches --bench languages -- $$folder

bench-export: rotel ## Measure spans on their way out, beside OpenTelemetry's SDKs and rotel
	cargo bench --package roost-bench-export

MINUTES ?= 10
TARGET ?=
fuzz: host-tools ## Feed what comes from outside with what nobody would send; MINUTES=10 for each, or for TARGET alone
	@scripts/fuzz.sh $(MINUTES) $(TARGET)

local: wasm-target
	scripts/guest.sh roost-local plugins/local.wasm

phoenix: wasm-target
	scripts/guest.sh roost-phoenix plugins/phoenix.wasm

plugins: local phoenix ## Build the providers into plugins/
	scripts/guest.sh roost-mlflow plugins/mlflow.wasm
	scripts/guest.sh roost-langfuse plugins/langfuse.wasm

# What only the tests load. Two versions of one package in one target folder would build
# each other anew every time.
guests: wasm-target
	scripts/guest.sh roost-echo tests/guests/echo.wasm
	scripts/guest.sh roost-misdeeds tests/guests/misdeeds.wasm
	ECHO_VERSION=2.0.0 CARGO_TARGET_DIR=$${CARGO_TARGET_DIR:-target}/echo-next \
		scripts/guest.sh roost-echo tests/guests/echo-next.wasm
	scripts/guest.sh roost-sink tests/guests/sink.wasm
	scripts/guest.sh roost-wrong tests/guests/wrong.wasm

lint: wasm-target ## Check formatting, and clippy for the host and for the guests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	scripts/lint-guests.sh $(guests)
	scripts/deny.sh

docs: host-tools ## Build the documentation; a broken link is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

wit: host-tools ## Check the contract: it resolves, and every item of it is documented
	cargo test --quiet --package roost-tests --test contract

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

host-tools:
	@scripts/host-tools.sh

wasm-target: host-tools
	@scripts/wasm-target.sh

venv: host-tools
	@scripts/venv.sh

rotel: venv
	@scripts/rotel.sh

node: host-tools
	@scripts/node.sh

languages: venv
	@scripts/languages.sh

postgres: host-tools
	@scripts/postgres.sh

registry: host-tools
	@scripts/registry.sh
