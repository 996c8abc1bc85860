# What builds a component from C: got from PyPI, crates.io and npm into one folder, once. To use
# others of your own, name them: make ZIG=... WIT_BINDGEN=...

TOOLS ?= .tools
PYTHON ?= python3
CARGO ?= cargo
NPM ?= npm

# A C compiler with the C library of WASI. In that of 0.16 and 0.17, functions such as `strspn` look for
# the end of the text first, which makes reading of JSON quadratic.
ZIG ?= $(TOOLS)/python/ziglang/zig
# Writes the C that the contract's WIT asks for.
WIT_BINDGEN ?= $(TOOLS)/bin/wit-bindgen
# Makes a component of a module, and takes away what only a debugger reads.
JCO ?= $(TOOLS)/node_modules/.bin/jco
WASM_OPT ?= $(TOOLS)/node_modules/.bin/wasm-opt

.PHONY: tools
tools: $(ZIG) $(WIT_BINDGEN) $(JCO) $(WASM_OPT)

$(TOOLS)/python/ziglang/zig:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target $(TOOLS)/python ziglang==0.15.2

# Compiles for a minute or two; twice as long without --debug, to no use here.
$(TOOLS)/bin/wit-bindgen:
	$(CARGO) install --debug --quiet --locked --root $(TOOLS) --no-default-features --features c wit-bindgen-cli@0.63.0

$(TOOLS)/node_modules/.bin/%:
	$(NPM) install --prefix $(TOOLS) --no-audit --no-fund --loglevel=error \
		@bytecodealliance/jco@1.35.0 binaryen@130.0.0
