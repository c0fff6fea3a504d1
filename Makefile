# Every target is safe to run again, does nothing when there is nothing to do, and waits for another run that does the same.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

SWIFT ?= swift
# More flags for every `swift build` and `swift test`, e.g. SWIFT_FLAGS="--jobs 1".
SWIFT_FLAGS ?=
PREFIX ?= /usr/local
DESTDIR ?=

# Tests are built with -enable-testing, which changes the code; a folder of their own keeps `make build` from rebuilding everything.
TEST_FLAGS := --configuration release --scratch-path .build-tests -Xswiftc -enable-testing
SWIFT_SOURCES := Package.swift Sources Tests

.PHONY: help setup build model test lint format demo train install uninstall clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Check the Swift toolchain and install the Debian packages that are missing
	@Scripts/setup.sh

build: setup ## Build the library and the command line tool, optimised
	@$(SWIFT) build --configuration release $(SWIFT_FLAGS)

model: setup ## Fetch the default model, SmolLM2-135M-Instruct (94 MiB), into the cache folder
	@Scripts/model.sh >/dev/null

test: model ## Build and run all tests, then check the formatting
	@export SORANJI_TEST_MODEL="$$(Scripts/model.sh)"; \
	$(SWIFT) build --build-tests $(TEST_FLAGS) $(SWIFT_FLAGS); \
	$(SWIFT) test --skip-build $(TEST_FLAGS) $(SWIFT_FLAGS)
	@$(MAKE) lint

lint: ## Check the formatting of the Swift files and the syntax of the scripts
	@$(SWIFT) format lint --strict --parallel --recursive $(SWIFT_SOURCES) \
		|| { echo "hint: \`make format\` repairs most of this" >&2; exit 1; }
	@for script in Scripts/*.sh Benchmarks/*/*.sh Training/*.sh .ci/run; do bash -n "$$script"; done

format: ## Format the Swift files in place
	@$(SWIFT) format format --in-place --parallel --recursive $(SWIFT_SOURCES)

demo: build model ## Show the three jobs: answer from a document, film a clip, answer about the clip
	@Scripts/demo.sh .build/release/soranji demo-output

train: ## Train the default model's own parts, in turns, resuming what is there (Training/README.md)
	@Training/train.sh

install: build ## Install the tool, its manual pages and its completions under PREFIX (/usr/local)
	@SWIFT="$(SWIFT)" Scripts/install.sh "$(DESTDIR)$(PREFIX)"

uninstall: ## Remove what `make install` put under PREFIX
	@Scripts/install.sh --remove "$(DESTDIR)$(PREFIX)"

clean: ## Remove everything that was built here; the cache folder with the models stays
	@rm -rf .build .build-tests demo-output
