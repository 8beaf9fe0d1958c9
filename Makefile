# Killick. `make` alone prints the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# No C compiler is needed: everything but `make signer` and `make hsm` is pure Go.
export CGO_ENABLED := 0

STATE   ?= $(CURDIR)/.killick
BIN     ?= $(STATE)/bin
TOOLS   := go tool -modfile=scripts/tools/go.mod
OURS    := killick-chaincode=./chaincode killick-gateway=./gateway killick=./gateway/killick killick-enclave=./gateway/enclave \
           killick-verifier=./gateway/verifier \
           killick-network=./network killick-ccaas=./network/ccaas killick-anchor=./anchor \
           killick-evmnode=./anchor/evmnode killick-tronnode=./anchor/tronnode killick-verify=./anchor/verify \
           killick-demo=./scripts/demo killick-soak=./scripts/soak
# The chaincode program's digest is on the ledger: the same source and the same Go
# make the same file, wherever it is built.
BUILD   := go build -trimpath -buildvcs=false -ldflags=-buildid=
FABRIC  := peer orderer configtxgen cryptogen

.PHONY: help build chaincode-program fabric demo test agreement quotes tronweb signer hsm page browser conformance soak up status down check bench generate contracts contracts-test fuzz release clean

help: ## print the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

fabric: ## build Fabric 3.1.1 from its pinned module (once; about a minute)
	@scripts/fabric $(BIN) $(STATE)/fabric $(FABRIC)

build: fabric ## build everything
	@mkdir -p $(BIN)
	@echo "building Killick (the first time a few minutes):"
	@set -e; for p in $(OURS); do echo "  $${p%%=*}"; $(BUILD) -o $(BIN)/$${p%%=*} $${p#*=}; done

chaincode-program: ## build the chaincode program alone
	@mkdir -p $(BIN)
	$(BUILD) -o $(BIN)/killick-chaincode ./chaincode

demo: build ## the main job on real parts, from key to audit, then everything down again
	@exec $(BIN)/killick-demo --bin $(BIN)

up: build ## start the consortium and keep it running
	@exec $(BIN)/killick-network up --dir $(STATE)

status: ## show what runs
	@test -x $(BIN)/killick-network && exec $(BIN)/killick-network status --dir $(STATE) || echo "nothing is built yet: make up"

down: ## stop the consortium and remove its data
	@test -x $(BIN)/killick-network && exec $(BIN)/killick-network down --dir $(STATE) || echo "nothing is built yet"

check: ## gofmt, vet, staticcheck, structure
	@bad=$$(git ls-files '*.go' | xargs gofmt -l); if [ -n "$$bad" ]; then echo "gofmt: $$bad"; exit 1; fi
	go vet -tags e2e,agreement ./...
	$(TOOLS) staticcheck -tags e2e,agreement ./...
	go test ./scripts/arch

test: build ## all tests, the end-to-end one on the real network included
	go test ./...
	@echo "what fails between the sender and both chains, 1,000 random schedules and each place to die:"
	go test -count=1 -timeout 30m ./scripts/campaign -schedules 1000 -each 1
	@echo "what happens to anchors, peers, members and chains, 200 random worlds:"
	go test -count=1 -timeout 30m ./anchor -run TestRandomWorlds -worlds 200
	@echo "end to end, on networks of their own in temporary folders:"
	KILLICK_BIN=$(BIN) go test -tags e2e -count=1 -timeout 30m -p 1 ./network ./network/cluster ./chaincode
	KILLICK_BIN=$(BIN) go test -tags e2e -count=1 -timeout 30m -v ./scripts/e2e
	$(BIN)/killick-soak --bin $(BIN) --for 1m --pace 3s

agreement: ## credentials, private contents and the log against other implementations (needs npm)
	cd scripts/agreement && npm ci --silent && go test -tags agreement -count=1 .
	KILLICK_NPM=$(CURDIR)/scripts/agreement/node_modules go test -count=1 -run TestNpmJose -v ./gateway/jwe
	@mkdir -p $(BIN)
	go build -C scripts/agreement/tlog -o $(BIN)/tlog .
	KILLICK_TLOG_CLIENT=$(BIN)/tlog go test -count=1 -run TestServedLog -v ./anchor

quotes: ## chaincode/tee against google/go-tdx-guest and npm's dcap-qvl, on real and simulated quotes (needs npm)
	cd scripts/quotes && npm ci --silent
	@mkdir -p $(BIN)
	go build -C scripts/quotes/google -o $(BIN)/quotes-google .
	KILLICK_QUOTES_GOOGLE=$(BIN)/quotes-google go test -tags agreement -count=1 -v ./scripts/quotes

tronweb: ## npm's tronweb as a client of the Tron node, and its encoder against anchor/tron (needs npm)
	cd scripts/agreement/tron && npm ci --silent && go test -tags agreement -count=1 .

page: ## the verifier as one HTML file, .killick/killick-verify.html (POLICY=file builds a policy into it)
	@go run ./scripts/page -o $(STATE)/killick-verify.html $(if $(POLICY),-policy "$(POLICY)")

browser: ## the verifier's page in Chromium, and what reads bundles and blocks as WebAssembly (needs npm, Chromium)
	cd anchor/verify/browser && npm ci --silent
	go test -tags agreement -count=1 -timeout 30m -run TestBrowser ./anchor/verify
	GOOS=js GOARCH=wasm go test -count=1 -timeout 30m -exec="$$(go env GOROOT)/lib/wasm/go_js_wasm_exec" \
	  -run 'Fuzz|TestMutations|TestAnchorLogVectors|TestGrowthVectors' ./anchor/log ./anchor/block

signer: ## build killick-signer with PKCS#11 into $(BIN), where make build leaves it alone (needs a C compiler)
	@mkdir -p $(BIN)
	CGO_ENABLED=1 $(BUILD) -o $(BIN)/killick-signer ./anchor/hsm

SOFTHSM ?= $(firstword $(wildcard /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so /opt/homebrew/lib/softhsm/libsofthsm2.so))
hsm: ## keys in a PKCS#11 token (needs a C compiler and SoftHSM2; SOFTHSM=its library)
	@test -n "$(SOFTHSM)" -a -f "$(SOFTHSM)" || { echo "SoftHSM2 is not here: apt-get install softhsm2, dnf install softhsm, or brew install softhsm; or SOFTHSM=path of libsofthsm2.so"; exit 2; }
	@command -v $${CC:-cc} >/dev/null || { echo "a C compiler is needed: apt-get install gcc libc6-dev"; exit 2; }
	CGO_ENABLED=1 go vet -tags hsm ./anchor/hsm
	CGO_ENABLED=1 KILLICK_PKCS11="$(SOFTHSM)" go test -tags hsm -count=1 ./anchor/hsm

conformance: build ## published vectors and the W3C's suites against a gateway (docs/conformance.md); SUITES=folder of clones
	@test -d "$(SUITES)" || { echo "SUITES=folder with the clones: docs/conformance.md lists them"; exit 2; }
	KILLICK_PUBLISHED="$(abspath $(SUITES))" go test -count=1 -run Published ./gateway/vc ./gateway/rdf
	go run ./scripts/conformance -bin $(BIN) -suites "$(SUITES)"

soak: build ## kill processes at random under load for 10 minutes (SOAK="--for 30m"), then receipts = journals = ledger
	$(BIN)/killick-soak --bin $(BIN) $(SOAK)

bench: build ## measure everything (25 minutes), into docs/benchmarks.md; ARGS=-help: parts of it
	@set -e; for p in killick-bench=./scripts/bench killick-plain=./scripts/bench/plain; do go build -trimpath -o $(BIN)/$${p%%=*} $${p#*=}; done
	@exec $(BIN)/killick-bench --bin $(BIN) $(ARGS)

fuzz: ## run every fuzz target for 20 seconds
	@scripts/fuzz 20s

contracts: ## compile the Solidity sources again (needs npm)
	cd anchor/contracts && npm ci --silent && node build.mjs

contracts-test: ## the contracts' bytecode is that of their sources; their unit, fuzz and invariant tests and the vectors, with forge (needs npm)
	cd anchor/contracts && npm ci --silent && node build.mjs --check
	cd anchor/contracts/forge && npm ci --silent
	cd anchor/contracts && PATH="$$PWD/forge/node_modules/.bin:$$PATH" forge test

generate: ## generated Go and OpenAPI from gateway/api/killick.proto
	go generate ./gateway/api

release: ## the auditor's program for Linux, macOS and Windows and as a page, reproducibly, into dist/
	@scripts/release dist

clean: down ## remove everything that was built
	rm -rf $(STATE)
