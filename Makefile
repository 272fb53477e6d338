# Everything here works on a Debian with Go, git and make, as root or as a user with sudo.
# The targets are one line each; what they do stands in scripts/, readable and runnable alone.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test check lint vuln soak bench build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## start Garant with its example company: installs PostgreSQL if absent, builds (the first time also versitygw), prints the addresses
	@scripts/need postgresql modules versitygw
	@scripts/build
	@exec bin/garant demo

build: ## build bin/garant
	@scripts/need modules
	@scripts/build

test: ## everything that gates: vet and all tests, on real PostgreSQL and in a real browser (35 min on two cores)
	@scripts/test

check: ## the quick subset while working: format, vet, lint, short tests (5 min)
	@scripts/check

lint: ## format, golangci-lint, tidy modules, shell scripts
	@scripts/lint

vuln: ## known vulnerabilities in what we link (asks the Go vulnerability database on the network)
	@scripts/vuln

soak: ## long runs, not gating: race detector, fuzzing, random kill schedules (FUZZTIME=60s each)
	@scripts/soak

bench: ## print our speed and size as ratios to a named reference, measured in the same run
	@scripts/need postgresql versitygw modules
	@scripts/build
	@go run ./bench
	@go run ./bench/isolation
	@go run ./bench/audit
	@exec go run ./bench/anonymise

clean: ## remove what was built in this tree (tools stay in the cache: see scripts/lib.sh)
	@rm -rf bin
