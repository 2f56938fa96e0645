# Every command a contributor types. `make` alone lists them.
# What builds is cargo and npm; this file only puts their steps in order and says which one runs.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo build dev check test sdk-test api-test e2e-test bench scale mutants clean

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
CONSOLE_SOURCES := $(shell find console/src console/public console/scripts -type f 2>/dev/null) \
	$(wildcard console/*.html console/*.ts console/*.json)
PYTHON := $(TARGET)/venv/bin/python

# $(call step,1/4,What is done now)
step = @printf '\n[%s] %s\n' '$(1)' '$(2)'

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: ## Build all, fetch the small model, set up, say hello, and keep serving
	$(call step,1/4,Checking the tools…)
	@scripts/install-build-deps.sh
	$(call step,2/4,Building the console (under a minute)…)
	@$(MAKE) --no-print-directory console/dist/index.html
	$(call step,3/4,Building the binaries (most of the time goes here: 6 to 8 minutes on 2 cores)…)
	cargo build --release --locked -p farebox -p farebox-local -p xtask
	$(call step,4/4,Fetching the built-in model (93 MB, once)…)
	@$(TARGET)/release/xtask model
	@printf '\nStarting the demo. Ctrl-C ends it.\n\n'
	@exec $(TARGET)/release/farebox demo $(ARGS)

build: ## Build console and binaries in release form, into target/release
	$(call step,1/2,Building the console…)
	@$(MAKE) --no-print-directory console/dist/index.html
	$(call step,2/2,Building the binaries (about 8 minutes on 2 cores the first time)…)
	cargo build --release --locked -p farebox -p farebox-local
	@printf '\nDone: %s/release/farebox\n' '$(TARGET)'

dev: console/node_modules/.package-lock.json ## Run a server and, on top of it, the console as you edit it
	@scripts/dev.sh

check: console/node_modules/.package-lock.json ## Format, lints, house rules, types: what to run before a commit
	$(call step,1/4,Format…)
	cargo fmt --all --check
	$(call step,2/4,Lints…)
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(call step,3/4,House rules…)
	cargo xtask tidy
	$(call step,4/4,Types and lints of the console…)
	cd console && npm run --silent check

test: ## Run every test, after installing what the tests need
	$(call step,1/9,Installing what the tests need and this machine lacks…)
	@scripts/install-build-deps.sh
	@scripts/install-test-deps.sh "$(TARGET)"
	$(call step,2/9,Building and checking the console…)
	@$(MAKE) --no-print-directory console/dist/index.html
	cd console && npm run --silent check
	$(call step,3/9,Format and lints…)
	cargo fmt --all --check
	cargo xtask tidy
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(call step,4/9,Fetching the built-in model (93 MB, once)…)
	cargo xtask model
	$(call step,5/9,Building the binaries (several minutes the first time)…)
	cargo build --workspace --bins --locked
	$(call step,6/9,Tests in Rust, on SQLite and PostgreSQL…)
	cargo test --workspace --locked
	$(call step,7/9,The official SDKs against the binary…)
	@$(MAKE) --no-print-directory sdk-test
	$(call step,8/9,The description of the API: lint, Postman, and 29,000 requests made from it (two minutes)…)
	@$(MAKE) --no-print-directory api-test
	$(call step,9/9,The console in a browser…)
	@$(MAKE) --no-print-directory e2e-test
	@printf '\nAll tests passed.\n'

sdk-test: ## Run the official SDKs against target/debug/farebox, and our client against localstripe
	@scripts/install-test-deps.sh "$(TARGET)"
	FAREBOX_BIN="$${FAREBOX_BIN:-$(TARGET)/debug/farebox}" $(PYTHON) -m pytest -q tests/sdk/python
	cd tests/sdk/node && FAREBOX_BIN="$${FAREBOX_BIN:-$(TARGET)/debug/farebox}" npm test --silent
	cargo test --workspace --locked --test it localstripe -- --ignored

api-test: ## Lint openapi.json, import it into Postman, and try it against target/debug/farebox
	@scripts/install-test-deps.sh "$(TARGET)"
	cd tests/openapi && npm test --silent
	FAREBOX_BIN="$${FAREBOX_BIN:-$(TARGET)/debug/farebox}" $(PYTHON) tests/openapi/fuzz.py $(ARGS)

e2e-test: console/dist/index.html ## Run the browser tests against target/debug/farebox
	FAREBOX_BIN="$${FAREBOX_BIN:-$(TARGET)/debug/farebox}" scripts/e2e.sh

bench: ## Measure throughput, latency and memory beside a bare relay (ARGS="…" go to the bench)
	$(call step,1/2,Building in release form…)
	cargo build --release --locked -p farebox -p farebox-bench
	$(call step,2/2,Measuring (some minutes; leave the machine alone)…)
	FAREBOX_BIN="$(TARGET)/release/farebox" $(TARGET)/release/farebox-bench $(ARGS)

scale: ## Time lists and reports over a million keys and ten million usage records (12 GB, 15 minutes)
	$(call step,1/2,Building in release form…)
	cargo build --release --locked -p farebox
	$(call step,2/2,Filling an installation and asking it (leave the machine alone)…)
	FAREBOX_BIN="$(TARGET)/release/farebox" python3 tests/scale/measure.py $(ARGS)

# What decides about money. A mutant that survives says what no test would notice.
MONEY := admission/** hold.rs price.rs money.rs ledger.rs rate.rs budget.rs window.rs

mutants: ## Break the money code in every small way, and see that a test notices (one to two hours)
	$(call step,1/2,Installing cargo-mutants if it is missing…)
	@command -v cargo-mutants >/dev/null || cargo install cargo-mutants --locked
	$(call step,2/2,Testing the mutants of the domain…)
	nice -n 19 cargo mutants --package farebox-domain --jobs 1 --timeout 300 \
		$(foreach file,$(MONEY),--file 'crates/domain/src/$(file)') \
		--output "$(TARGET)" $(ARGS) -- --lib

clean: ## Remove everything built or installed here (the model's weights stay)
	cargo clean
	rm -rf console/dist console/node_modules console/test-results tests/sdk/node/node_modules \
		tests/openapi/node_modules

# npm writes this file last, so it tells whether an installation finished.
console/node_modules/.package-lock.json: console/package.json console/package-lock.json
	cd console && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

console/dist/index.html: console/node_modules/.package-lock.json $(CONSOLE_SOURCES)
	cd console && npm run --silent build
