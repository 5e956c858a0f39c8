# `make` lists what can be done.

.DEFAULT_GOAL := help
.NOTPARALLEL:

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME  ?= 10s
BENCH     ?= .
COUNT     ?= 1
# The race detector needs cgo, and so a C compiler. Go reports whether it found one.
RACE      := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
LINT      := go tool -modfile=tools/go.mod golangci-lint

# The version is linked in below. A second call of git would fail where the folder
# belongs to another user, as in many containers.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## run Footfall with the embedded store in ./data
	go run -ldflags '-X footfall/bootstrap.version=$(VERSION)' .

.PHONY: build
build: ## build bin/footfall, linked statically
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X footfall/bootstrap.version=$(VERSION)' -o bin/footfall .

.PHONY: test
test: check-format check-vet check-compose check-generated check-build test-servers ## all tests, after format, vet, generated files and build
	$(if $(RACE),,@echo 'no C compiler: tests run without the race detector' >&2)
	go test $(RACE) -vet=off -count=1 -parallel 8 -timeout 15m ./...

# What goes wrong in them is what they are about: the models, and the tests of
# the built program in these files.
FAULTS := $(addprefix test/integration/, away_test.go broker_test.go brokerfault_test.go closestorm_test.go closing_test.go \
	closinglog_test.go endpoints_test.go forbidden_test.go hostile_test.go instances_test.go planted_test.go refusing_test.go reshardfail_test.go)

.PHONY: test-faults
test-faults: test-servers ## the models, and the tests in which processes, nodes, brokers and endpoints fail
	go test $(RACE) -vet=off -count=1 -parallel 8 -timeout 15m ./test/model ./test/redismodel ./test/ringmodel
	go test $(RACE) -vet=off -count=1 -timeout 9m -run "^($$(sed -n 's/^func \(Test[A-Za-z0-9]*\).*/\1/p' $(FAULTS) | paste -sd '|'))$$" ./test/integration

.PHONY: test-long
test-long: test-servers ## instances are killed over 200 windows, the ring is changed 200 times, over memory and over Redis, and with 1,000,000 pages: about 20 minutes
	FOOTFALL_TEST_LONG=1 go test -vet=off -count=1 -timeout 30m -v -run '^TestInstancesThatAreKilledLoseNoWindowAndNoID$$' ./test/integration
	FOOTFALL_TEST_LONG=1 go test -vet=off -count=1 -timeout 30m -v -run '^TestTheRingGrowsAndShrinksUnderLoad$$' ./test/integration
	go test -vet=off -count=1 -timeout 30m -v -run 'Storm|FallBack|PowerCuts|Squall|EveryDefect' ./test/ringmodel -ringmodel.changes=200 -ringmodel.aborted=5000 -ringmodel.lasts=25m

.PHONY: test-compose
test-compose: check-compose ## the stack of docker-compose.yml under faults, and its alerts; needs a Docker engine
	go test -tags compose -vet=off -count=1 -timeout 25m ./test/compose

.PHONY: test-manifests
test-manifests: ## the manifests of deploy/kubernetes, by the types of its API
	cd test/kubernetes && go test -count=1 ./...

.PHONY: up
up: ## the whole stack in the background: docker compose up
	FOOTFALL_VERSION='$(VERSION)' docker compose up --build --detach --wait

.PHONY: release
release: ## dist/: archives for linux and darwin, amd64 and arm64, with checksums; VERSION=v1.2.3
	scripts/release '$(VERSION)' dist

.PHONY: check-release
check-release: ## build a release twice and compare
	scripts/check-release '$(VERSION)'

.PHONY: test-browser
test-browser: ## the pages in a real browser; SCREENSHOT=docs/page.png takes the README's picture
	@scripts/install-test-servers chromium
	cd test/browser && go vet . && go test -vet=off -count=1 -timeout 9m -v . $(if $(SCREENSHOT),-screenshot '$(abspath $(SCREENSHOT))')

.PHONY: lint
lint: ## golangci-lint (the first run builds it: minutes), and go.mod is tidy
	$(LINT) run
	go mod tidy -diff
	cd test/browser && go mod tidy -diff

.PHONY: format
format: ## write all files in the one format
	$(LINT) fmt

.PHONY: generate
generate: ## write generated files again
	go generate ./...

.PHONY: bench
bench: ## benchmarks: BENCH=regexp COUNT=10; compare with: go tool -modfile=tools/go.mod benchstat old new
	@scripts/install-test-servers wrk
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

.PHONY: profile
profile: ## default.pgo again, the profile for the compiler, from the service under load
	@scripts/install-test-servers wrk
	go test -run '^$$' -bench Profile -benchtime 1x ./test/bench -profile '$(abspath default.pgo)'

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s) each
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file func; do \
		echo "$$file: $${func#func }" && \
		go test -run '^$$' -fuzz "^$${func#func }$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
	done

.PHONY: test-servers
test-servers:
	@scripts/install-test-servers

.PHONY: check-format
check-format:
	@files=$$(gofmt -l .) && if [ -n "$$files" ]; then echo 'not formatted, run make format:' $$files >&2; exit 1; fi

.PHONY: check-vet
check-vet:
	go vet ./...

# go vet ./... does not see tests behind a build tag.
.PHONY: check-compose
check-compose:
	go vet -tags compose ./test/compose

.PHONY: check-build
check-build:
	CGO_ENABLED=0 go build ./...

# Generates in a copy without the generated files. So the working tree stays as it
# is, and a generated file without a generator is noticed.
.PHONY: check-generated
check-generated:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && mkdir "$$dir/is" "$$dir/should" && \
	tar -cf - --exclude=./.git --exclude=./data --exclude=./bin --exclude=./dist . | tar -xf - -C "$$dir/is" && \
	cp -R "$$dir/is/." "$$dir/should" && cd "$$dir/should" && \
	grep -rlE --include='*.go' '^// Code generated .* DO NOT EDIT\.$$' . | while read -r file; do rm "$$file"; done && \
	go generate ./... && cd .. && \
	if ! diff -r is should; then echo 'generated files are old, run make generate' >&2; exit 1; fi
