# Everything a contributor runs. `make up` and `make test` do all set-up on a fresh Debian 12 machine, as root.
.PHONY: up test check bench fuzz soak crash test-engines test-crowd docs lock venv
PYTHON := .venv/bin/python

up: venv            ## a private Engine where none is reachable, and dockwarden in front of it, in the foreground
	@scripts/up

test: check         ## all checks and all tests
	@scripts/packages docker.io busybox-static iproute2 curl postgresql openssh-server openssh-client rsync git tmux vim-tiny chromium fonts-wqy-microhei
	@scripts/player
	$(PYTHON) -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

check: venv         ## style, types, layers, locks, reference pages
	.venv/bin/ruff check src tests scripts bench
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	$(PYTHON) scripts/check_locks.py
	$(PYTHON) scripts/make_docs.py --check

bench: venv         ## against going direct and against a plain proxy, in one run
	@scripts/packages docker.io busybox-static iproute2 haproxy postgresql openssh-server openssh-client
	$(PYTHON) -m bench.deciding
	$(PYTHON) -m bench.door
	$(PYTHON) -m bench.vault
	$(PYTHON) -m bench.finding
	$(PYTHON) -m bench.search
	$(PYTHON) -m bench.ssh

fuzz: venv          ## the parsers' properties, for long
	DOCKWARDEN_EXAMPLES=20000 $(PYTHON) -m pytest -q -m fuzz --timeout 3600

soak: venv          ## an hour of mixed work on one door
	@scripts/packages docker.io busybox-static iproute2
	$(PYTHON) -m bench.soak

crash: venv         ## the vault killed before each single call that changes a file, and busy sessions at 1,000 moments; `make test` takes a sample
	DOCKWARDEN_CRASHES=0 $(PYTHON) -m pytest -q tests/vault/test_crash_points.py
	DOCKWARDEN_KILLS=1000 $(PYTHON) -m pytest -q -s tests/tape/test_kills.py

test-engines: venv  ## the tests that talk to an Engine, against 28.x too
	@scripts/packages docker.io busybox-static iproute2 curl chromium fonts-wqy-microhei
	@scripts/player
	@scripts/engine28-root
	DOCKWARDEN_ENGINES=20.10,28 $(PYTHON) -m pytest -q tests/test_ground.py tests/days tests/doors/docker/test_real_engine.py tests/cli/test_dockerline.py

test-crowd: venv    ## the tests of the SSH door, served by two processes
	DOCKWARDEN_SSH_PROCESSES=2 $(PYTHON) -m pytest -q tests/days/test_ssh.py tests/days/test_ssh_as_direct.py tests/days/test_ssh_hostile.py \
	  tests/days/test_ssh_strangers.py tests/days/test_kills.py

docs: venv          ## make the reference pages from the tables
	$(PYTHON) scripts/make_docs.py

lock: venv          ## renew the locks
	.venv/bin/pip-compile -q --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock pyproject.toml
	.venv/bin/pip-compile -q --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --allow-unsafe --extra dev -o requirements-dev.lock pyproject.toml

venv: .venv/.made
.venv/.made: requirements-dev.lock pyproject.toml
	@scripts/venv
