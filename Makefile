# `make` lists what can be done.

.DEFAULT_GOAL := help
.NOTPARALLEL:

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT    ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DATE      ?= $(shell TZ=UTC git log -1 --date='format-local:%Y-%m-%dT%H:%M:%SZ' --format=%cd 2>/dev/null || echo unknown)
LINK       = -X footfall/bootstrap.version=$(VERSION) -X footfall/bootstrap.commit=$(COMMIT) -X footfall/bootstrap.date=$(DATE)
FUZZTIME  ?= 10s
BENCH     ?= .
COUNT     ?= 1
# How long the tests of one package may take; a busy machine needs more.
TIMEOUT   ?= 30m
# The race detector needs cgo, and so a C compiler. Go reports whether it found one.
RACE      := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
# All else is built without cgo, as the program is: so it is compiled once.
export CGO_ENABLED := 0
LINT      := go tool -modfile=tools/go.mod golangci-lint

# A test binary with the race detector waits a second before it ends, for races that
# would be found then. All tests of a package have ended by that time.
export GORACE := atexit_sleep_ms=0

# The version is linked in below. A second call of git would fail where the folder
# belongs to another user, as in many containers.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

# By default.pgo the compiler builds the program and all that it needs apart from what the
# tests need. They test the program without it, so all of that is compiled once.
check lint test test-search test-faults test-valkey test-long test-compose test-browser: export GOFLAGS += -pgo=off

# Most of a collection's work in a test is for a heap of a few megabytes.
check test test-search test-faults: export GOGC := 400

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## run Footfall with the embedded store in ./data
	go run -ldflags '$(LINK)' .

.PHONY: build
build: ## build bin/footfall, linked statically
	go build -trimpath -ldflags '-s -w $(LINK)' -o bin/footfall .

# The domain and some adapters start no goroutine. The tests of docs and sources read files.
# The race detector watches a lookup beside a change.
SEQUENTIAL := ./domain/... ./test ./adapters/serverurl ./adapters/prometheus \
	./adapters/httpapi/page ./adapters/httpapi/problem ./adapters/httpapi/request
# Tests of processes, which the race detector would not see, and the models, which it makes eight times
# as slow: it watches one short model. They wait more than they compute, so the others run beside them.
# The longest ones come first.
PROCESSES   = $(shell go list ./test/integration/... ./test/model/... ./test/ringmodel/... ./test/runbook | sort)
# All others that have tests. The benchmarks have none.
CONCURRENT  = $(filter-out $(shell go list $(SEQUENTIAL) ./test/bench) $(PROCESSES),$(shell go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | sort -r))
# Adapters whose tests start no server.
SERVERLESS  = $(shell go list ./adapters/... | grep -vE '/(redisnode|rabbitmq|redisstream|nats|kafka)$$')
# Tests that search for what shows each defect that is built into the models.
SEARCH     := Defect
# Storms over Redis and the accounts of every bucket take long, and are in test-search.
LONG       := ClusterInAStorm|P11EveryBucketIsExact|OnRedisInAStorm|RingOfRedis|KeepsFailedCallbacks|KeepsNoFailedCallbacks
# The race detector sees the code of these in shorter tests: conformance over one server has
# that over clusters and Sentinels. The others compute for long, most of them over virtual time.
UNRACED    := F29APartition|F37AMasterOfSentinels|WindowsOutliveTheNodes|ASlowHandOver|ArcsThatAreStuckHoldUp|OneSyncIsForManyArcs|AChangeOfTheRingNeitherDoubles|AListThatIsFollowed|TheTopOfAPeriodSays|CompactionIsBounded|TurnedOffIsDeleted|AllWindowsThatWait|ManyWatchers
# A binary without tables for debuggers is linked in two thirds of the time.
TEST       := go test -vet=off -count=1 -ldflags=-w
RACETEST   := $(if $(RACE),CGO_ENABLED=1) $(TEST) $(RACE)

.PHONY: check
check: check-format check-vet check-build ## format, vet, build, unit tests, conformance over memory, a short model: less than a minute
	$(TEST) -short -skip '$(SEARCH)|Redis' ./domain/... ./application/... $(SERVERLESS) ./test/model ./test

.PHONY: test
test: check-format check-generated check-build test-servers ## all tests but the searches, after format, generated files and build
	$(if $(RACE),,@echo 'no C compiler: tests run without the race detector' >&2)
	@# Compiled first: what waits for a moment in a test would be late beside a compiler.
	@go list -test -deps -export $(PROCESSES) > /dev/null
	@$(if $(RACE),CGO_ENABLED=1) go list -test -deps -export $(RACE) $(CONCURRENT) > /dev/null
	$(TEST) -skip '$(SEARCH)' -parallel 8 -timeout $(TIMEOUT) $(SEQUENTIAL)
	$(RACETEST) -run Race ./domain/sharding
	$(RACETEST) -short -run InAStorm -skip '$(SEARCH)|Ring|Redis' ./test/model
	$(TEST) -p 1 -skip '$(SEARCH)|$(LONG)' -parallel 6 -timeout $(TIMEOUT) $(PROCESSES) & processes=$$!; trap 'kill $$processes' INT TERM; \
	$(RACETEST) -p 1 -skip '$(SEARCH)|$(LONG)|$(UNRACED)' -parallel 4 -timeout $(TIMEOUT) $(CONCURRENT) && \
	$(TEST) -run '$(UNRACED)' -parallel 8 -timeout $(TIMEOUT) ./adapters/redisnode $(addprefix ./application/,history pagestats resharding uniques watch); others=$$?; \
	wait $$processes && exit $$others

.PHONY: test-search
test-search: test-servers ## searches over many seeds: every defect that is built into the models is found; then longer storms over Redis, and every bucket of a history
	@# The storms wait most of the time, so the searches run beside them.
	$(TEST) -run '$(SEARCH)' -parallel 8 -timeout $(TIMEOUT) ./test/model/... ./test/ringmodel/... ./adapters/redisnode & searches=$$!; trap 'kill $$searches' INT TERM; \
	$(TEST) -run 'OnRedisInAStorm' -timeout $(TIMEOUT) ./test/model -model.lasts=1m && \
	$(TEST) -run 'RingOfRedis' -timeout $(TIMEOUT) ./test/ringmodel -ringmodel.changes=40 && \
	$(TEST) -run 'OnARedisClusterInAStorm' -timeout $(TIMEOUT) ./adapters/redisnode -cluster.rounds=5 && \
	$(TEST) -run 'P11EveryBucketIsExact|KeepsFailedCallbacks|KeepsNoFailedCallbacks' -timeout $(TIMEOUT) ./test/integration/faults; storms=$$?; \
	wait $$searches && exit $$storms

.PHONY: test-faults
test-faults: test-servers ## the models, and the tests in which processes, nodes, brokers and endpoints fail
	$(TEST) -parallel 8 -timeout $(TIMEOUT) ./test/model/... ./test/ringmodel/... ./test/integration/faults

.PHONY: test-valkey
test-valkey: test-servers ## conformance, partitions, Sentinels, failovers, resharding and the page about them on valkey-server, which has to be installed
	FOOTFALL_TEST_REDIS=valkey-server $(TEST) -parallel 4 -timeout $(TIMEOUT) ./adapters/redisnode ./adapters/redisstream
	FOOTFALL_TEST_REDIS=valkey-server $(TEST) -p 1 -parallel 4 -timeout $(TIMEOUT) -run 'F4|F31|F34|F37|F38|X9|X10|X11|ToACluster' \
		./test/integration/faults ./test/integration/process ./test/integration/visits ./test/runbook

.PHONY: test-long
test-long: test-servers ## instances are killed over 200 windows, the ring is changed 200 times, over memory and over Redis, and with 1,000,000 pages; every bucket of 1,000,000 visits: about 25 minutes
	FOOTFALL_TEST_LONG=1 $(TEST) -timeout 30m -v -run '^TestInstancesThatAreKilledLoseNoWindowAndNoID$$' ./test/integration/faults
	FOOTFALL_TEST_LONG=1 $(TEST) -timeout 30m -v -parallel 1 -run '^TestP11EveryBucketIsExact' ./test/integration/faults
	FOOTFALL_TEST_LONG=1 $(TEST) -timeout 30m -v -run '^TestTheRingGrowsAndShrinksUnderLoad$$' ./test/integration/ring
	$(TEST) -timeout 30m -v -run 'Storm|FallBack|PowerCuts|Squall|EveryDefect' ./test/ringmodel -ringmodel.changes=200 -ringmodel.aborted=5000 -ringmodel.lasts=25m

.PHONY: test-compose
test-compose: check-compose ## the stacks of docker-compose.yml and deploy under faults; needs a Docker engine
	go test -tags compose -vet=off -count=1 -timeout 25m ./test/compose

.PHONY: test-manifests
test-manifests: ## the manifests of deploy/kubernetes, by the types of its API
	cd test/kubernetes && go test -count=1 ./...

.PHONY: check-vulnerabilities
check-vulnerabilities: ## known vulnerabilities of what the program calls; asks vuln.go.dev
	go tool -modfile=tools/go.mod govulncheck ./...

.PHONY: up
up: ## the whole stack in the background: docker compose up
	FOOTFALL_VERSION='$(VERSION)' FOOTFALL_COMMIT='$(COMMIT)' FOOTFALL_DATE='$(DATE)' docker compose up --build --detach --wait

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
lint: ## golangci-lint with vet (the first run builds it: minutes), and go.mod is tidy
	$(LINT) run
	go mod tidy -diff
	cd test/browser && go mod tidy -diff
	cd test/servers/natsserver && go mod tidy -diff

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
	go build ./...

# Generates in a copy without the generated files. So the working tree stays as it
# is, and a generated file without a generator is noticed. The tests of bootstrap compare
# the table of settings: a copy of them would have to be compiled.
.PHONY: check-generated
check-generated:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && mkdir "$$dir/is" "$$dir/should" && \
	tar -cf - --exclude=./.git --exclude=./data --exclude=./bin --exclude=./dist . | tar -xf - -C "$$dir/is" && \
	cp -R "$$dir/is/." "$$dir/should" && cd "$$dir/should" && \
	grep -rlE --include='*.go' '^// Code generated .* DO NOT EDIT\.$$' . | while read -r file; do rm "$$file"; done && \
	go generate -run mockgen ./... && cd .. && \
	if ! diff -r is should; then echo 'generated files are old, run make generate' >&2; exit 1; fi
