# Almanac: what one types. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# One target directory outside the checkout, so that a fresh clone reuses what was built before.
CACHE := $(or $(ALMANAC_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/almanac)
export CARGO_TARGET_DIR ?= $(CACHE)/target
export CARGO_TERM_PROGRESS_WHEN ?= auto

# Property tests try the same cases every time; `PROPTEST_RNG_SEED= make test` or another number searches for new ones.
export PROPTEST_RNG_SEED ?= 20261123

# `--features bundled` when the prebuilt DuckDB library cannot be had; written by scripts/setup.sh.
FEATURES = $(shell cat .cargo/features 2>/dev/null)
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
ALMANAC = $(CARGO_TARGET_DIR)/debug/almanac

# Where `make install` puts the binary.
PREFIX ?= $(HOME)/.local

# Always the whole workspace: one package alone would select other features of shared dependencies
# and build them a second time.
.PHONY: help setup build install demo test lint bench bench-accuracy bench-advisors soak test-peers

help: ## Show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## Fetch and check the prebuilt DuckDB library (every other target does this first)
	@scripts/setup.sh

build: setup ## Build the almanac binary
	cargo build --locked $(FEATURES) --workspace
	@echo "built: $(ALMANAC)"

install: build ## Put the binary into PREFIX/bin (~/.local/bin)
	install -D $(ALMANAC) $(PREFIX)/bin/almanac
	@echo "installed: $(PREFIX)/bin/almanac"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "note: $(PREFIX)/bin is not on your PATH";; esac

demo: build ## Run the demo: recorded telemetry in, recommendations with proof out, then serve (ONCE=1: exit instead)
	@$(ALMANAC) demo $(if $(ONCE),--once)

test: setup ## Run every test that needs nothing but this machine's own files
	@scripts/notebook-venv.sh
	cargo build --locked $(FEATURES) --workspace --all-targets
ifdef NEXTEST
	cargo nextest run --locked $(FEATURES) --workspace
else
	@echo "cargo-nextest is not installed: using cargo test"
	cargo test --locked $(FEATURES) --workspace --all-targets
endif
	cargo test --locked $(FEATURES) --workspace --doc

lint: setup ## Formatting, clippy without warnings, unused dependencies
	cargo fmt --all --check
	cargo clippy --locked $(FEATURES) --workspace --all-targets -- -D warnings
	@command -v cargo-machete >/dev/null || cargo install --locked --quiet cargo-machete@0.9.2
	cargo machete

bench: setup ## Measure ingest speed, bytes a sample and query latency; tables in docs/
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/bench-ingest

bench-accuracy: setup ## Measure accuracy on the public sets in DATA (or ALMANAC_DATA); writes docs/accuracy.md (ONLY=m4,kpi QUICK=1)
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/bench-accuracy $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

bench-advisors: setup ## Replay every advisor on the public sets in DATA (or ALMANAC_DATA); writes docs/advisors.md (ONLY=ttl QUICK=1)
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/bench-advisors $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

soak: setup ## Append, compact, checkpoint and reopen a store at random for MINUTES (10) and compare with memory
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/soak-store --minutes $(or $(MINUTES),10)

test-peers: setup ## Compare with real peers (installs Prometheus, exporters, PostgreSQL and Redis through apt)
	@scripts/peers.sh
	cargo build --locked $(FEATURES) --workspace
	cargo nextest run --locked $(FEATURES) --workspace --features almanac-tests/peers --test peers
