# SPDX-License-Identifier: GPL-3.0-or-later
# The doors to the house. Every target makes what it needs, from a fresh Debian machine on (as root).

# CORE=2.18 runs any target with that ansible-core, in a virtual environment beside the usual one.
CORE ?=
VENV := .venv$(addprefix -,$(CORE))
PYTEST := $(VENV)/bin/python -m pytest
LAB := PYTHONPATH=molecule /usr/bin/python3 -m lab

# Nothing but this environment's and the system's own programs; Ansible keeps its things in this folder.
export PATH := $(CURDIR)/$(VENV)/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export ANSIBLE_CONFIG := $(CURDIR)/tests/ansible.cfg
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections

.DEFAULT_GOAL := help
.PHONY: help demo test shell console down unit lint integration lab test-full bench bench-adoption bench-boot bench-inventory bench-livesync bench-node bench-storm clean setup collection

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s  %s\n", $$1, $$2}' Makefile

demo: collection ## a cluster in a box: a master, a VNFS, two PXE-booted nodes, a livesync; leaves it up
	$(LAB) demo

shell: ## a shell on the demo's master
	$(LAB) ssh master

console: ## what a node of the demo said while it booted: make console NODE=n101
	$(LAB) node console $(NODE)

down: ## remove every process, mount and namespace of the demo
	$(LAB) down

test: collection ## everything: linters, unit, integration and lab tests
	$(PYTEST) --durations=15

unit: collection ## unit tests, in seconds
	$(PYTEST) tests/unit

lint: collection ## linters and the rules of the house
	$(PYTEST) tests/lint

integration: collection ## real builds, mounts and daemons on this machine; T=NAME picks tests by name
	$(PYTEST) tests/integration $(if $(T),-k '$(T)')

lab: collection ## a master and PXE nodes in a box; T=NAME picks tests by name
	$(PYTEST) tests/lab $(if $(T),-k '$(T)')

test-full: collection ## test, the long tail, and with the oldest ansible-core what runs on the controller
	$(PYTEST) --durations=15 -m ''
	$(MAKE) CORE=2.18 lint unit integration T=inventory

bench: collection ## how long building and publishing take, beside the programs that a person would type
	$(VENV)/bin/python tests/bench/image.py

bench-adoption: collection ## how soon a thousand new machines have names, and what dnsmasq makes of it
	$(VENV)/bin/python tests/bench/adoption.py

bench-boot: collection ## how a node boots, beside a whole root in an initramfs, live-boot and livenet; an hour
	$(VENV)/bin/python tests/bench/boot.py

bench-node: collection ## how long one call of the module node takes with 10,000 nodes, beside ping
	$(VENV)/bin/python tests/bench/node.py

bench-inventory: collection ## how long the inventory of up to 100,000 nodes takes, beside a script that prints it
	$(VENV)/bin/python tests/bench/inventory.py

bench-livesync: collection ## what a livesync of 100 nodes costs, beside loops of rsync and of ssh
	$(VENV)/bin/python tests/bench/livesync.py

bench-storm: collection ## what a boot of 200 nodes at once costs nginx, beside one that serves the files alone
	$(VENV)/bin/python tests/bench/storm.py

clean: down ## make down, and remove whatever was built here
	rm -rf .cache .venv .venv-*

setup: $(VENV)/ready

# What is tested is what a user installs: the tarball, not the checkout.
collection: setup
	@rm -f .cache/perceus-cluster-*.tar.gz
	@ansible-galaxy collection build --force --output-path .cache >/dev/null
	@ansible-galaxy collection install .cache/perceus-cluster-*.tar.gz -p .cache/collections --force --no-deps --offline >/dev/null

$(VENV)/ready: requirements.txt tests/requirements.txt .cache/packages
	@echo 'Installing Python packages into $(VENV)'
	@/usr/bin/python3 -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -qq -r tests/requirements.txt $(CORE:%='ansible-core==%.*')
	@touch $@

.cache/packages: tests/packages.txt tests/install_packages.sh
	@mkdir -p .cache
	@sh tests/install_packages.sh tests/packages.txt
	@touch $@
