# Almanac's targets; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The target directory is outside the checkout, so that a fresh clone reuses earlier builds.
CACHE := $(or $(ALMANAC_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/almanac)
export CARGO_TARGET_DIR ?= $(CACHE)/target
export CARGO_TERM_PROGRESS_WHEN ?= auto

# Property tests use the same cases every time; `PROPTEST_RNG_SEED= make test` or another number gives new ones.
export PROPTEST_RNG_SEED ?= 20261123

# `--features bundled` when the prebuilt DuckDB library is not available; written by scripts/setup.sh.
FEATURES = $(shell cat .cargo/features 2>/dev/null)
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
ALMANAC = $(CARGO_TARGET_DIR)/debug/almanac

# `make install` writes below PREFIX, and below DESTDIR if it is set.
PREFIX ?= $(HOME)/.local

# Always the whole workspace: a single package would select other features of shared dependencies and build them a second time.
.PHONY: help setup build install demo app show-database test lint fuzz attack bench bench-accuracy bench-advisors bench-pools faults soak soak-store promql-scripts test-peers

help: ## Show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## Fetch and check the prebuilt DuckDB library (every other target does this first)
	@scripts/setup.sh

build: setup ## Build the almanac binary
	cargo build --locked $(FEATURES) --workspace
	@echo "built: $(ALMANAC)"

install: build ## Install binary, man pages and completions under PREFIX (~/.local)
	@DESTDIR=$(DESTDIR) scripts/install.sh $(ALMANAC) $(PREFIX)
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "note: $(PREFIX)/bin is not on your PATH";; esac

demo: build ## Run the demo: learn recorded telemetry, print recommendations, then serve (ONCE=1: exit instead)
	@$(ALMANAC) demo $(if $(ONCE),--once)

app: ## Run the example application under load for MINUTES (10) (FAULTS=all SCALE=1 SEED=1 PEAK=10 OUT=DIR COPY=1 RECORD=1 TRACES=URL BASE_PORT=21400)
	@scripts/app.sh $(if $(FAULTS),--faults $(FAULTS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SCALE),--scale $(SCALE)) \
		$(if $(SEED),--seed $(SEED)) $(if $(PEAK),--peak $(PEAK)) $(if $(OUT),--out $(OUT)) $(if $(COPY),--copy) $(if $(RECORD),--record) \
		$(if $(TRACES),--traces $(TRACES)) $(if $(BASE_PORT),--base-port $(BASE_PORT))

show-database: build ## Recommend, verify, apply and measure on the example application (MINUTES=3 SCALE=1 SEED=1 PEAK=10 REPEAT=1 HEALTHY=0 OUT=DIR BASE_PORT=21600)
	@scripts/app.sh show --almanac $(ALMANAC) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SCALE),--scale $(SCALE)) $(if $(SEED),--seed $(SEED)) \
		$(if $(PEAK),--peak $(PEAK)) $(if $(REPEAT),--repeat $(REPEAT)) $(if $(HEALTHY),--healthy-minutes $(HEALTHY)) \
		$(if $(OUT),--out $(OUT)) $(if $(BASE_PORT),--base-port $(BASE_PORT))

test: setup ## Run every test that needs only local files
	@scripts/notebook-venv.sh
	@python3 -m unittest discover -q -s datasets/app/tests -t .
	@scripts/python-venv.sh otlp tests/clients/otlp/requirements.txt >/dev/null
	@scripts/python-venv.sh mcp tests/clients/mcp/requirements.txt >/dev/null
	@scripts/python-venv.sh postgres tests/clients/postgres/requirements.txt >/dev/null
	cargo build --locked $(FEATURES) --workspace --all-targets
ifdef NEXTEST
	cargo nextest run --locked $(FEATURES) --workspace
else
	@echo "cargo-nextest is not installed: using cargo test"
	cargo test --locked $(FEATURES) --workspace --all-targets
endif
	cargo test --locked $(FEATURES) --workspace --doc

lint: setup ## Formatting, clippy without warnings, unused dependencies, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --locked $(FEATURES) --workspace --all-targets -- -D warnings
	@command -v cargo-machete >/dev/null || cargo install --locked --quiet cargo-machete@0.9.2
	cargo machete
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny@0.20.2
	@cargo fetch --locked --quiet # of every platform: deny reads crates that no build here has downloaded
	cargo deny --offline check bans licenses sources
# Known advisories need a database from the internet. Without it they are not checked, and that is no failure.
	@if timeout 60 cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; \
	else echo "note: the database of advisories cannot be fetched, so advisories are not checked"; fi

fuzz: setup ## Run every decoder on mutated inputs for SECONDS (30) each (ONLY=promql,csv SEED=1)
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/fuzz-decoders --seconds $(or $(SECONDS),30) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

promql-scripts: setup ## Run Prometheus' own scripts of PromQL in the folder SCRIPTS; prints the table of docs/promql.md
	cargo build --locked $(FEATURES) --workspace --example promql_scripts
	@$(CARGO_TARGET_DIR)/debug/examples/promql_scripts $(or $(SCRIPTS),$(error SCRIPTS=FOLDER is missing: a folder with files *.test))

attack: setup ## Attack the real binary on loopback, one test at a time; prints time and memory of each
	cargo build --locked $(FEATURES) --workspace
	cargo nextest run --locked $(FEATURES) --workspace --test e2e --test-threads 1 --success-output immediate --no-fail-fast \
		-E 'test(/^(attack|isolation|access|stays)::/)'

# A system that cannot be installed is left out, and the document is not written then.
bench: setup ## Measure ingest, disk, memory, restart and queries beside VictoriaMetrics and Prometheus (installed through apt); writes docs/performance.md (ONLY=a,b,day,million,learning QUICK=1 RUNS=3 OUTPUT=FILE)
	@scripts/apt.sh bench prometheus victoria-metrics || echo "bench: going on without what is missing" >&2
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/bench-ingest $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(RUNS),--runs $(RUNS)) $(if $(OUTPUT),--output $(OUTPUT))

bench-accuracy: setup ## Measure accuracy on the public sets in DATA (or ALMANAC_DATA); writes docs/measured/accuracy.md (ONLY=m4,kpi QUICK=1)
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/bench-accuracy $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

bench-advisors: setup ## Replay every advisor on the public sets in DATA (or ALMANAC_DATA); writes docs/measured/advisors.md (ONLY=ttl QUICK=1)
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/bench-advisors $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

bench-pools: setup ## Measure waits at real connection pools (pgbench, SQLAlchemy) and compare them with predicted ones; prints the tables of docs/measured/pools.md
	cargo build --locked $(FEATURES) --workspace
	@PYTHONPATH=. "$$(scripts/python-venv.sh pools datasets/pools/requirements.txt)" -m datasets.pools.sweep $(CARGO_TARGET_DIR)/pools.jsonl >&2
	@$(CARGO_TARGET_DIR)/debug/bench-pools $(CARGO_TARGET_DIR)/pools.jsonl

faults: setup ## Let disk, memory, clock, senders and process of the real service fail within MINUTES (30), and compare it with what it acknowledged (ONLY=kills,power-cuts,… KILLS=200 SEED=1 CALL=N REPLAY=DIR)
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/faults --kills $(or $(KILLS),200) --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1) \
		$(if $(ONLY),--only $(ONLY)) $(if $(CALL),--call $(CALL)) $(if $(REPLAY),--replay $(REPLAY))

soak: setup ## Run the real service under ingest, compaction, retention, learning and queries for MINUTES (10); memory and disk must stay flat; 60 write docs/measured/soak.md (SERIES=4000 OUTPUT=FILE)
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/soak --minutes $(or $(MINUTES),10) $(if $(SERIES),--series $(SERIES)) $(if $(OUTPUT),--output $(OUTPUT))

soak-store: setup ## Run a randomised consistency test of the store alone for MINUTES (10) (SEED=1)
	cargo build --locked $(FEATURES) --workspace
	@$(CARGO_TARGET_DIR)/debug/soak-store --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

test-peers: setup ## Run the tests with real peers (installs Prometheus, exporters, PostgreSQL, Redis and Chromium through apt, Grafana's packages through npm)
	@scripts/peers.sh
	@scripts/browser.sh >/dev/null
	@scripts/notebook-venv.sh peers >/dev/null
	@scripts/python-venv.sh deploy tests/clients/deploy/requirements.txt >/dev/null
	@scripts/grafana-client.sh >/dev/null
	@scripts/postgres-clients.sh >/dev/null
	@scripts/app.sh test-servers
	cargo build --locked $(FEATURES) --workspace
	cargo nextest run --locked $(FEATURES) --workspace --features almanac-tests/peers --test peers
