# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from ansible import constants
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._names import (
    parse_client_name,
    parse_foreign_variables,
    parse_group_name,
    parse_kernel_args,
    parse_mac,
    parse_node_name,
    parse_variables,
    parse_vnfs_name,
    unknown_machine_name,
)
from hypothesis import given
from hypothesis import strategies as st

Parse = Callable[[str], str]

NAME_PARSERS = (parse_node_name, parse_vnfs_name, parse_group_name, parse_client_name)
HOSTILE = (
    "{{ lookup('pipe','id') }}",
    "-oProxyCommand=x",
    "../../etc/passwd",
    "..",
    "a;reboot",
    "a\nb",
    "n1\n",
    "a\0b",
    "x" * 500,
    "nöde",
    "n\u0661",
    "${netX/mac}",
    "a&&b",
    "a||b",
    "a#b",
    'a"b',
    "a\\b",
    "$(id)",
    "`id`",
)


@pytest.mark.parametrize("parse", [*NAME_PARSERS, parse_mac])
@pytest.mark.parametrize("value", HOSTILE)
def test_no_name_is_hostile(parse: Parse, value: str) -> None:
    with pytest.raises(PerceusError, match=r"^Cannot "):
        parse(value)


@pytest.mark.parametrize("parse", NAME_PARSERS)
@given(value=st.text())
def test_what_passes_is_returned_unchanged_and_plain(parse: Parse, value: str) -> None:
    try:
        assert parse(value) == value
    except PerceusError:
        return
    assert re.fullmatch(r"[A-Za-z0-9._-]+", value, re.ASCII)
    assert value[0] not in ".-"


@pytest.mark.parametrize("parse", NAME_PARSERS)
@given(name=st.from_regex(r"[a-z][a-z0-9]{1,40}", fullmatch=True), data=st.data())
def test_one_character_spoils_a_name(parse: Parse, name: str, data: st.DataObject) -> None:
    assert parse(f"x{name}") == f"x{name}"  # no word with another meaning begins so
    bad = data.draw(
        st.characters(exclude_characters="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    )
    at = data.draw(st.integers(min_value=0, max_value=len(name)))
    with pytest.raises(PerceusError, match=r"^Cannot ") as caught:
        parse(name[:at] + bad + name[at:])
    assert caught.value.msg.isprintable()


@pytest.mark.parametrize("value", ["n101", "a", "gpu-1", "a" * 63])
def test_nodes_may_be_called(value: str) -> None:
    assert parse_node_name(value) == value


@pytest.mark.parametrize("value", ["", "N101", "1n", "12h", "a_b", "a.b", "-a", "a-", "a" * 64])
def test_nodes_may_not_be_called(value: str) -> None:
    with pytest.raises(PerceusError, match="not a host name"):
        parse_node_name(value)


@pytest.mark.parametrize(
    "value", ["all", "localhost", "master", "ungrouped", "live", "drifted", "ignore", "infinite", "mac-525400000001"]
)
def test_no_node_shadows_a_name_that_means_something_else(value: str) -> None:
    with pytest.raises(PerceusError, match="another meaning"):
        parse_node_name(value)


@pytest.mark.parametrize("value", ["debian", "debian-12.5", "9rocky", "a_b"])
def test_vnfs_may_be_called(value: str) -> None:
    assert parse_vnfs_name(value) == value


@pytest.mark.parametrize("value", ["", ".", ".hidden", "a/b", "a.", "-a", "Debian"])
def test_vnfs_may_not_be_called(value: str) -> None:
    with pytest.raises(PerceusError):
        parse_vnfs_name(value)


def test_no_vnfs_puts_its_nodes_among_the_vnfss() -> None:
    with pytest.raises(PerceusError, match="another meaning"):
        parse_vnfs_name("capsules")


@pytest.mark.parametrize("value", ["", "a-b", "a.b", "1a", "A"])
def test_groups_may_not_be_called(value: str) -> None:
    with pytest.raises(PerceusError):
        parse_group_name(value)


@pytest.mark.parametrize("value", ["52:54:00:AB:cd:01", "52-54-00-AB-CD-01", "5254.00ab.cd01"])
def test_macs_have_one_form(value: str) -> None:
    assert parse_mac(value) == "52:54:00:ab:cd:01"


@pytest.mark.parametrize("value", ["", "52:54:00:ab:cd", "52:54-00:ab:cd:01", "525400abcd01", "06-52:54:00:ab:cd:01"])
def test_other_forms_are_no_macs(value: str) -> None:
    with pytest.raises(PerceusError, match="not six octets"):
        parse_mac(value)


@pytest.mark.parametrize("value", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
def test_addresses_of_no_single_interface_are_refused(value: str) -> None:
    with pytest.raises(PerceusError, match="no single interface"):
        parse_mac(value)


@given(octets=st.binary(min_size=6, max_size=6))
def test_a_parsed_mac_is_its_own_form(octets: bytes) -> None:
    text = octets.hex("-")
    try:
        parsed = parse_mac(text.upper())
    except PerceusError:
        assert octets[0] & 1 or not any(octets)
        return
    assert parsed == text.replace("-", ":")
    assert parse_mac(parsed) == parsed


def test_kernel_arguments_that_are_usual_pass() -> None:
    usual = "console=ttyS0,115200n8 root=/dev/sda1 isolcpus=1-3,5 rd.driver.blacklist=nouveau mem=4G@0 x=[a]:(b)+~%"
    assert parse_kernel_args(usual) == usual


@pytest.mark.parametrize(
    "value", ["${netX/mac}", "a && b", "a || b", "a # b", 'a="b c"', "a\\b", "a\nb", "é", "x" * 401]
)
def test_kernel_arguments_that_ipxe_would_change_are_refused(value: str) -> None:
    with pytest.raises(PerceusError, match="iPXE would change them"):
        parse_kernel_args(value)


def test_an_unknown_machine_is_called_after_its_mac() -> None:
    assert unknown_machine_name("52:54:00:ab:cd:01") == "mac-525400abcd01"


def test_variables_keep_their_values() -> None:
    variables = {"rack": 7, "bmc": {"address": "192.0.2.1"}, "ansible_connection": "local"}
    assert parse_variables(variables) == variables


@pytest.mark.parametrize(
    "name", sorted({*constants.INTERNAL_STATIC_VARS, "vars", "omit", "lookup", "class", "None", "is"})
)
def test_no_variable_has_a_word_of_ansible_or_python_for_a_name(name: str) -> None:
    with pytest.raises(PerceusError, match="Ansible's or Python's own"):
        parse_variables({name: 1})


@pytest.mark.parametrize("name", ["ansible_connection", "ansible_ssh_common_args", "ansible_shell_executable"])
def test_others_do_not_decide_where_and_how_ansible_runs_programs(name: str) -> None:
    with pytest.raises(PerceusError, match=f"Cannot take over the variable '{name}'"):
        parse_foreign_variables({"rack": 7, name: "x"})
    assert parse_foreign_variables({"rack": 7, "ansible_port": 2222}) == {"rack": 7, "ansible_port": 2222}
