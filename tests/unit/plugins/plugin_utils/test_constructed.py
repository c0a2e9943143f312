# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible import template
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.perceus.cluster.plugins.plugin_utils import constructed
from ansible_collections.perceus.cluster.plugins.plugin_utils.constructed import BatchedConstructable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Hosts = Mapping[str, Mapping[str, Any]]

TRUST = getattr(template, "trust_as_template", None)
needs_trust = pytest.mark.skipif(TRUST is None, reason="before ansible-core 2.19 Ansible's own helpers do all of it")


class Stock(BaseInventoryPlugin, Constructable):
    """Ansible's own helpers, host by host, as plugins call them."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.loader = DataLoader()
        self.inventory = InventoryData()
        self._chosen = {
            "compose": {},
            "groups": {},
            "keyed_groups": [],
            "strict": False,
            "use_extra_vars": False,
            "leading_separator": True,
            **options,
        }
        self._vars: Mapping[str, Any] = {}
        if TRUST is None:  # later cores make one when it is needed
            self.templar = template.Templar(loader=self.loader)

    def get_option(self, option: str) -> Any:
        return self._chosen[option]

    def construct(self, hosts: Hosts) -> None:
        strict = self.get_option("strict")
        for host, variables in hosts.items():
            self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)


class Batched(BatchedConstructable, Stock):
    """Ours."""


def outcome(plugin: Stock, hosts: Hosts) -> Any:
    """What a plugin makes of these hosts: their variables and groups, and the groups' parents, or its complaint."""
    plugin.inventory.add_group("nodes")
    for host, variables in hosts.items():
        plugin.inventory.add_host(host, "nodes")
        for variable, value in variables.items():
            plugin.inventory.set_variable(host, variable, value)
    try:
        plugin.construct(hosts)
    except AnsibleError as error:
        return str(error)
    return (
        {host.name: repr(host.vars) for host in plugin.inventory.hosts.values()},
        {group.name: sorted(host.name for host in group.hosts) for group in plugin.inventory.groups.values()},
        {group.name: {parent.name for parent in group.parent_groups} for group in plugin.inventory.groups.values()},
    )


def trusted(value: Any) -> Any:
    """The value as it comes from a file that the operator wrote."""
    if isinstance(value, str) and TRUST is not None:
        return TRUST(value)
    if isinstance(value, dict):
        return {key: trusted(content) for key, content in value.items()}
    if isinstance(value, list):
        return [trusted(content) for content in value]
    return value


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, -0.0, 1.0]),
    st.sampled_from(["", "1", "a", "a b", "True", "{{ mac }}", "{% set x = 1 %}", "ä'\"\\n"]),
    st.lists(st.sampled_from(["a", "b", ""]), max_size=2),
    st.dictionaries(st.sampled_from(["k", "items"]), st.sampled_from(["v", "", None]), max_size=2),
)
HOSTS = st.dictionaries(
    st.sampled_from([f"n{number}" for number in range(101, 107)]),
    st.dictionaries(st.sampled_from(["state", "mac", "items", "racks"]), VALUES),
    max_size=6,
)
EXPRESSIONS = st.sampled_from(
    [
        *("state", "mac", "items", "racks", "missing", "composed", "inventory_hostname", "group_names | length"),
        *("state == 'a'", "state == 1", "state is defined", "mac is defined and mac", "not state", "1", "true"),
        *("state | default('none')", "missing | default(mac) | default('x')", "state ~ '-' ~ mac", "[state, mac]"),
        *("{'k': state}", "{'k': mac, 'l': none}", "racks[0]", "items.k", "state.split(' ')", "1 / (state | int)"),
        *("'%}' ~ state", "'{{ state }}'", "'\\\\' ~ state", "state, mac", "state if mac else omit", "{{ state }}"),
        *("state) ~ (mac", "state }}{{ mac", "loop", "rows_ | default('r')", "lookup('vars', 'state')"),
        *("state | nothing_of_the_kind", "state is nothing_of_the_kind", "vars['state']", "(", ""),
        *("state in ['a', 1]", "'n101' in group_names or 'site_a' in group_names", "inventory_hostname[:2]"),
        *("range(2) | list", "dict(a=state)", "state | to_json", "state | ansible.builtin.to_json"),
    ]
)
KEYED = st.fixed_dictionaries(
    {"key": EXPRESSIONS},
    optional={
        "prefix": st.sampled_from(["", "site", "a-b"]),
        "separator": st.sampled_from(["", "_", "-"]),
        "parent_group": st.sampled_from(["parents", "of_{{ state | string }}", "{{ missing }}"]),
        "default_value": st.sampled_from(["", "none"]),
        "trailing_separator": st.booleans(),
    },
)
OPTIONS = st.fixed_dictionaries(
    {
        "compose": st.dictionaries(st.sampled_from(["composed", "state"]), EXPRESSIONS, max_size=2),
        "groups": st.dictionaries(
            st.sampled_from(["site_a", "b-c"]), st.one_of(EXPRESSIONS, st.booleans()), max_size=2
        ),
        "keyed_groups": st.lists(KEYED, max_size=2),
        "leading_separator": st.booleans(),
    }
)


@needs_trust
@pytest.mark.parametrize("strict", [False, True])
@given(hosts=HOSTS, options=OPTIONS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_hosts_get_what_the_stock_helpers_give(hosts: Hosts, options: Mapping[str, Any], strict: bool) -> None:
    options = {**trusted(options), "strict": strict}
    ours, theirs = outcome(Batched(options), hosts), outcome(Stock(options), hosts)
    if isinstance(theirs, str):  # they stop at the first host, we at the first expression
        assert isinstance(ours, str)
    else:
        assert ours == theirs


@needs_trust
@pytest.mark.parametrize(
    "options",
    [
        {"compose": {"composed": "missing.part"}},
        {"groups": {"site_a": "missing == 1"}},
        {"groups": {"site_a": "state"}},
        {"keyed_groups": [{"key": "missing"}]},
        {"keyed_groups": [{"key": "nothing", "prefix": "site"}]},
        {"keyed_groups": [{"key": "number"}]},
        {"keyed_groups": ["state"]},
    ],
)
def test_a_complaint_has_ansibles_own_words(options: Mapping[str, Any]) -> None:
    options = {**trusted(options), "strict": True}
    hosts = {f"n{number}": {"state": "a", "nothing": "", "number": 1.5} for number in range(101, 104)}
    complaint = outcome(Stock(options), hosts)
    assert isinstance(complaint, str)
    assert outcome(Batched(options), hosts) == complaint


@needs_trust
def test_the_hosts_of_a_group_keep_their_order() -> None:
    plugin = Batched(trusted({"groups": {"site_a": "state != 'c'"}, "keyed_groups": [{"key": "'b'", "prefix": "all"}]}))
    hosts = {f"n{number}": {"state": "abac"[number % 4]} for number in range(8)}
    outcome(plugin, hosts)
    members = {group.name: [host.name for host in group.hosts] for group in plugin.inventory.groups.values()}
    assert members["site_a"] == ["n0", "n1", "n2", "n4", "n5", "n6"]
    assert members["all_b"] == list(hosts)


@needs_trust
def test_a_variable_that_is_a_template_is_left_to_ansible() -> None:
    options = trusted({"keyed_groups": [{"key": "shelf", "prefix": "shelf"}]})
    hosts = {name: {"shelf": trusted("{{ mac }}"), "mac": name[-1]} for name in ("n101", "n102")}
    ours = outcome(Batched(options), hosts)
    assert ours == outcome(Stock(options), hosts)
    assert ours[1]["shelf_1"] == ["n101"]


@pytest.mark.parametrize("extra", [False, True])
def test_extra_variables_and_an_old_core_are_left_to_ansible(monkeypatch: pytest.MonkeyPatch, extra: bool) -> None:
    options = {**trusted({"groups": {"site_a": "state == 'a'"}}), "use_extra_vars": extra}
    if not extra:
        monkeypatch.setattr(constructed, "trust_as_template", None)
    hosts = {"n101": {"state": "a"}, "n102": {"state": "b"}}
    ours = outcome(Batched(options), hosts)
    assert ours == outcome(Stock(options), hosts)
    assert ours[1]["site_a"] == ["n101"]
