# What one can do here. `make` alone lists it.

export HTTP_PORT HTTPS_PORT HEALTHZ_PORT

VERSION ?= development

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: run
run: ## serve the example shop on ports 8080 and 8443 until Ctrl-C (needs root)
	@exec examples/quickstart/run

.PHONY: build
build: ## build bin/sluice and bin/kubectl-ingress
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.release=$(VERSION)' -o bin/ ./cmd/...

.PHONY: check
check: ## what to run before a commit, in less than two minutes: lint, unit and golden tests, Lua specs
	@test/run lint unit lua

.PHONY: test
test: ## all tests; sets the machine up first (needs root)
	@test/run

.PHONY: bench
bench: export SLUICE_PACKAGES = $(CURDIR)/bench/packages
bench: setup build ## measure beside NGINX and HAProxy configured by hand (needs root); BENCH are its arguments
	CGO_ENABLED=0 go build -ldflags "-X main.commit=$$(git -c safe.directory='*' describe --always --dirty --exclude '*')" -o bin/ ./bench
	taskset --cpu-list 0,1 rootfs/enter --pid -- $(CURDIR)/bin/bench $(BENCH)

.PHONY: cluster
cluster: setup ## start a real Kubernetes control plane without a container engine, until Ctrl-C (needs root)
	test/e2e/build
	@image=$$(rootfs/image) && dir=$$(mktemp -d) && \
		SLUICE_IMAGE_ROOT=$$image bin/e2e/controlplane -dir "$$dir" -publish 127.0.0.1:8080=10.0.1.1:80 -publish 127.0.0.1:8443=10.0.1.1:443; rm -rf -- "$$dir"

.PHONY: e2e
e2e: setup ## the tests on a real control plane alone, or on the cluster of KUBECONFIG (needs root)
	@test/run e2e

.PHONY: setup
setup: ## install what the tests need, and prepare the Debian root with NGINX (needs root)
	@test/setup

.PHONY: clean
clean: ## remove what was built here; the Debian root stays in its cache
	rm -rf bin
