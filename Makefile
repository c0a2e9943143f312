# SPDX-License-Identifier: GPL-3.0-or-later
# The doors to the house. Every target makes what it needs, from a fresh Debian machine on (as root).

# CORE=2.18 runs any target with that ansible-core, in a virtual environment beside the usual one.
CORE ?=
VENV := .venv$(addprefix -,$(CORE))
PYTEST := $(VENV)/bin/python -m pytest

# Nothing but this environment's and the system's own programs, and nothing written outside this folder.
export PATH := $(CURDIR)/$(VENV)/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections

.DEFAULT_GOAL := help
.PHONY: help setup collection lint unit integration lab test test-full demo down clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

test: collection ## everything: linters, unit, integration, lab
	$(PYTEST) --durations=15

test-full: collection ## test, the long tail, and all of it but the lab with the oldest supported ansible-core
	$(PYTEST) --durations=15 -m ''
	$(MAKE) CORE=2.18 lint unit integration

lint: collection ## the linters and the rules of the house
	$(PYTEST) tests/lint

unit: collection ## unit tests, in seconds
	$(PYTEST) tests/unit

integration: collection ## real builds, mounts and daemons on this machine
	$(PYTEST) tests/integration

lab: collection ## a master and PXE nodes in a box; T=NAME picks tests by name
	$(PYTEST) tests/lab $(if $(T),-k '$(T)')

setup: $(VENV)/ready

# What is tested is what a user installs: the tarball, not the checkout.
collection: setup
	@rm -f .cache/perceus-cluster-*.tar.gz
	@ansible-galaxy collection build --force --output-path .cache >/dev/null
	@ansible-galaxy collection install .cache/perceus-cluster-*.tar.gz -p .cache/collections --force --no-deps --offline >/dev/null

$(VENV)/ready: requirements.txt tests/requirements.txt .cache/packages
	/usr/bin/python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -r tests/requirements.txt $(CORE:%='ansible-core==%.*')
	@touch $@

.cache/packages: tests/packages.txt tests/install_packages.sh
	@mkdir -p .cache
	sh tests/install_packages.sh tests/packages.txt
	@touch $@

clean: down ## make down, and remove everything that was built here
	rm -rf .cache .venv .venv-* .ansible .mypy_cache .ruff_cache .pytest_cache
