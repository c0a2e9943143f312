# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Constructable for many hosts at once.

Since ansible-core 2.19 an expression is compiled each time it is evaluated: Ansible's helpers, called for one host
after another, compile each as often as there are hosts. Here an expression becomes one template, with a loop over the
different values that the names in it have. What that cannot give as the helpers would is left to the helpers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.plugins.inventory import Constructable
from ansible.utils.unsafe_proxy import wrap_var
from jinja2 import Environment, TemplateError, nodes
from jinja2.parser import Parser

try:
    from ansible.template import is_trusted_as_template, trust_as_template
except ImportError:  # before ansible-core 2.19
    trust_as_template = None

Variables = Mapping[str, Any]

# What gives something else at each call, or reads variables that the expression does not name.
IMPURE_NAMES = frozenset({"lookup", "query", "q", "now", "vars", "hostvars", "omit", "undef"})
IMPURE_FILTERS = frozenset({"random", "shuffle", "password_hash", "strftime", "vault", "unvault"})
# Escapes, which differ between expressions and loops, and templates within texts of the expression.
ELSEWHERE = ("\\", "{{", "{%", "{#")
LOOP_NAMES = frozenset({"loop", "rows_", "row_", "values_", "done_"})

ASK = object()  # stands for a value that only the helper can give
FAILED = object()

_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 - it renders nothing


class BatchedConstructable(Constructable):
    """Gives what :class:`Constructable` gives."""

    inventory: InventoryData

    def construct(self, hosts: Mapping[str, Variables]) -> None:
        """Do for all ``hosts``, variables by name, what the options compose, groups and keyed_groups say.

        The inventory has the hosts and these variables already.
        """
        compose, groups, keyed_groups = (self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        if trust_as_template is None or self.get_option("use_extra_vars"):
            for host, variables in hosts.items():
                self._set_composite_vars(compose, variables, host, strict=self._strict)
                self._add_host_to_composed_groups(groups, variables, host, strict=self._strict)
                self._add_host_to_keyed_groups(keyed_groups, variables, host, strict=self._strict)
            return
        for variable, expression in compose.items():
            self._compose_all(variable, expression, hosts)
        self._group_all(groups, hosts)
        for keyed in keyed_groups:
            self._key_all(keyed, hosts)

    @property
    def _strict(self) -> bool:
        return bool(self.get_option("strict"))

    def _compose_all(self, variable: str, expression: Any, hosts: Mapping[str, Variables]) -> None:
        for host, value in self._evaluate_all(expression, hosts, hosts.__getitem__):
            if value is ASK:
                self._set_composite_vars({variable: expression}, hosts[host], host, strict=self._strict)
            else:
                self.inventory.set_variable(host, variable, value)

    def _group_all(self, groups: Mapping[str, Any], hosts: Mapping[str, Variables]) -> None:
        """Evaluate all conditionals before any host is added: a composed group is in nobody's ``group_names`` yet."""
        members: dict[str, list[str]] = {}
        asked: dict[str, dict[str, Any]] = {}
        for group, conditional in groups.items():
            for host, value in self._evaluate_all(conditional, hosts, self._variables_of, conditional=True):
                if value is ASK:
                    asked.setdefault(host, {})[group] = conditional
                elif value:
                    members.setdefault(self._sanitize_group_name(group), []).append(host)
        for host, conditionals in asked.items():
            self._add_host_to_composed_groups(conditionals, hosts[host], host, strict=self._strict)
        for group, names in members.items():
            self._add_members(group, names)

    def _key_all(self, keyed: Any, hosts: Mapping[str, Variables]) -> None:
        # A parent group that is a template has a value for each host.
        key = keyed.get("key") if isinstance(keyed, dict) and "{" not in str(keyed.get("parent_group")) else None
        named: dict[str, Mapping[str, list[str]]] = {}
        members: dict[str, list[str]] = {}
        for host, value in self._evaluate_all(key, hosts, self._variables_of):
            if value is ASK:
                self._add_host_to_keyed_groups([keyed], hosts[host], host, strict=self._strict)
                continue
            alike = repr(value)
            if alike not in named:
                try:
                    named[alike] = self._name_groups(keyed, value, host)
                except AnsibleError:
                    self._add_host_to_keyed_groups([keyed], hosts[host], host, strict=self._strict)
                    raise
            for group in named[alike]:
                members.setdefault(group, []).append(host)
        for group, names in members.items():
            self._add_members(group, names)
        for groups in named.values():
            for group, parents in groups.items():
                for parent in parents:
                    self.inventory.add_child(self.inventory.add_group(parent), group)

    def _name_groups(self, keyed: Mapping[str, Any], key: Any, host: str) -> Mapping[str, list[str]]:
        """Return the groups in which the helper puts a host with this key, and the parents of each."""
        inventory, self.inventory = self.inventory, InventoryData()
        try:
            self.inventory.add_host(host)
            known = {**keyed, "key": trust_as_template("key")}
            self._add_host_to_keyed_groups([known], {"key": key}, host, strict=self._strict, fetch_hostvars=False)
            groups = self.inventory.groups.values()
            return {group.name: [parent.name for parent in group.parent_groups] for group in groups if group.hosts}
        finally:
            self.inventory = inventory

    def _variables_of(self, host: str) -> Variables:
        variables: Variables = self.inventory.hosts[host].get_vars()
        return variables

    def _add_members(self, group: str, hosts: Iterable[str]) -> None:
        members = self.inventory.groups[self.inventory.add_group(group)]
        for host in hosts:
            members.add_host(self.inventory.hosts[host])

    def _evaluate_all(
        self,
        expression: Any,
        hosts: Iterable[str],
        variables_of: Callable[[str], Variables],
        *,
        conditional: bool = False,
    ) -> Iterator[tuple[str, Any]]:
        """Yield hosts and the expression's values. What fails is passed over, or left to the helper to complain of."""
        names = free_names(expression)
        if names is None:
            yield from ((host, ASK) for host in hosts)
            return
        rows: dict[str, dict[str, Any]] = {}
        key_of: dict[str, str] = {}
        for host in hosts:
            variables = variables_of(host)
            row = {name: variables[name] for name in names if name in variables}
            key_of[host] = ""
            if all(map(is_plain, row.values())):
                key_of[host] = key = repr(row)
                rows.setdefault(key, row)
        shapes: dict[tuple[str, ...], list[str]] = {}
        for key, row in rows.items():
            shapes.setdefault(tuple(row), []).append(key)
        values = {"": ASK}
        for keys in shapes.values():
            found = self._evaluate_rows(expression, [rows[key] for key in keys], conditional=conditional)
            values.update(zip(keys, found))
        for host, key in key_of.items():
            if values[key] is not FAILED:
                yield host, values[key]
            elif self._strict:
                yield host, ASK

    def _evaluate_rows(self, expression: str, rows: Sequence[Variables], *, conditional: bool) -> list[Any]:
        """Return the value for each of ``rows``, which have the same names. A loop that fails is cut in two."""
        if len(rows) == 1:
            return [self._evaluate_one(expression, rows[0], conditional=conditional)]
        names = "".join(f"{{% set {name} = row_['{name}'] %}}" for name in rows[0])
        loop = (
            f"{{% set values_ = [] %}}{{% for row_ in rows_ %}}{names}"
            f"{{% set done_ = values_.append(({expression})) %}}{{% endfor %}}{{{{ values_ }}}}"
        )
        self.templar.available_variables = {"rows_": rows}
        try:
            values = self.templar.template(trust_as_template(loop))
        except AnsibleError:
            values = None
        whole = isinstance(values, list) and len(values) == len(rows)  # a list loses what is omitted
        if whole and not (conditional and {type(value) for value in values} - {bool}):
            return list(values)
        half = len(rows) // 2
        return [
            value
            for part in (rows[:half], rows[half:])
            for value in self._evaluate_rows(expression, part, conditional=conditional)
        ]

    def _evaluate_one(self, expression: str, row: Variables, *, conditional: bool) -> Any:
        self.templar.available_variables = dict(row)
        evaluate = self.templar.evaluate_conditional if conditional else self.templar.evaluate_expression
        try:
            return evaluate(expression)
        except AnsibleError:
            return FAILED


def untrusted(value: Any) -> Any:
    """Return the value as one that is never a template; since ansible-core 2.19 that is what it is by itself."""
    return wrap_var(value) if trust_as_template is None else value


def free_names(expression: Any) -> frozenset[str] | None:
    """Return the names in a trusted expression whose value follows from theirs alone, None for any other."""
    if not is_trusted_as_template(expression) or any(mark in expression for mark in ELSEWHERE):
        return None
    try:
        parser = Parser(_ENVIRONMENT, expression, state="variable")  # as Environment.compile_expression() does
        tree = nodes.Output([parser.parse_expression()])
    except TemplateError:
        return None
    functions = {node.name for node in tree.find_all((nodes.Filter, nodes.Test))}
    if not parser.stream.eos or any("." in name or name in IMPURE_FILTERS for name in functions):
        return None
    names = frozenset(node.name for node in tree.find_all(nodes.Name))
    return None if names & (IMPURE_NAMES | LOOP_NAMES) else names


def is_plain(value: Any) -> bool:
    """Whether a value is what it looks like, and no template that has yet to be evaluated."""
    if isinstance(value, str):
        return not is_trusted_as_template(value)
    if isinstance(value, Mapping):
        return all(map(is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float))
