# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.image_servers import (
    MOST,
    ImageServer,
    choose_servers,
    parse_image_servers,
)
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError

MASTER, A, B, C = (f"http://10.17.5.{number}" for number in (1, 2, 3, 4))


def choose(*servers: ImageServer, node: str = "n101", group: str = "compute") -> tuple[str, ...]:
    return choose_servers(servers, master=MASTER, node=node, group=group)


def test_the_master_serves_alone_and_otherwise_stands_in() -> None:
    assert choose() == (MASTER,)
    assert choose(ImageServer(A)) == (A, MASTER)
    assert choose(ImageServer(A, order=2), ImageServer(MASTER, order=1)) == (MASTER, A)


def test_servers_are_asked_in_their_order() -> None:
    servers = (ImageServer(A, order=3, weight=100), ImageServer(B, order=0), ImageServer(C, order=2))
    assert {choose(*servers, node=f"n{number}") for number in range(50)} == {(B, C, A, MASTER)}


def test_a_node_asks_those_of_its_group_only() -> None:
    servers = (ImageServer(A, groups=("rack1",)), ImageServer(B, groups=("rack2", "gpu")), ImageServer(C, order=2))
    assert choose(*servers, group="rack1") == (A, C, MASTER)
    assert choose(*servers, group="gpu") == (B, C, MASTER)
    assert choose(*servers, group="compute") == (C, MASTER)


def test_a_node_is_told_of_so_many_that_its_command_line_holds_them_and_of_the_master() -> None:
    servers = [ImageServer(f"http://10.17.6.{number}") for number in range(1, 20)]
    chosen = choose(*servers)
    assert len(set(chosen)) == MOST and chosen[-1] == MASTER
    assert choose(*servers, ImageServer(MASTER, order=9))[-1] == MASTER


def test_each_is_the_first_for_a_share_of_the_nodes_by_its_weight() -> None:
    servers = (ImageServer(A, weight=1), ImageServer(B, weight=2), ImageServer(C, weight=5))
    first = Counter(choose(*servers, node=f"n{number}")[0] for number in range(4000))
    assert [first[url] / 4000 for url in (A, B, C)] == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.03)


def test_a_server_that_goes_moves_its_own_nodes_only() -> None:
    servers = (ImageServer(A), ImageServer(B), ImageServer(C))
    for number in range(200):
        before, after = (choose(*some, node=f"n{number}") for some in (servers, servers[:2]))
        assert after == tuple(url for url in before if url != C)


def test_what_is_given_for_a_server_is_its_own() -> None:
    values = [{"url": A}, {"url": f"{B}:8080/site/perceus", "order": 0, "weight": 7, "groups": ["rack1"]}]
    assert parse_image_servers(values) == (ImageServer(A), ImageServer(f"{B}:8080/site/perceus", 0, 7, ("rack1",)))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (A, "as an image server: not a mapping. Write {url: http://…}"),
        ({}, "Cannot use image server '': 'url' is missing"),
        ({"url": A, "wait": 1}, "'wait' is no part of it"),
        ({"url": "https://10.17.5.2"}, "nodes ask by HTTP, and know no names"),
        ({"url": "http://cache.cluster.internal"}, "Write http://10.17.5.2, with a port"),
        ({"url": "http://10.17.5.256"}, "as url of an image server"),
        ({"url": f"{A}/"}, "as url of an image server"),
        ({"url": f"{A}/$(reboot)"}, "as url of an image server"),
        ({"url": f"{A}/a b"}, "as url of an image server"),
        ({"url": A, "weight": 0}, "it must be at least 1"),
        ({"url": A, "weight": True}, "'weight' is True"),
        ({"url": A, "order": "1"}, "'order' is '1'"),
        ({"url": A, "groups": ["a-b"]}, "Cannot name a group"),
        ({"url": A, "groups": "rack1"}, "'groups' is 'rack1'"),
    ],
)
def test_what_is_no_server_is_refused_with_its_reason(value: Any, reason: str) -> None:
    with pytest.raises(PerceusError) as refused:
        parse_image_servers([value])
    assert reason in str(refused.value)


def test_a_server_is_listed_once() -> None:
    with pytest.raises(PerceusError, match=r"twice\. Give it more weight"):
        parse_image_servers([{"url": A}, {"url": A, "order": 2}])
