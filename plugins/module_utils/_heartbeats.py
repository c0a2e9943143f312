# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life of running nodes: the end of nginx's log of heartbeats, which has the form of the report log.

They are apart from the reports, which they would drown: each node sends one every two to three minutes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from ._lines import lines_with
from ._reports import TAIL, LastWord, Report, last_words, load_reports, load_tail, spellings

LOG = "heartbeats.log"  # beside the reports

# There may be hundreds of thousands. nginx writes every line in this order, and escapes what others wrote.
_LINE = re.compile(
    r'^\{"time": "([^"\\]+)", "address": "([0-9.]+)", "stage": "heartbeat", "mac": "([0-9A-Fa-f:%]+)",'
    r' "generation": "([0-9a-f]{0,16})", "boot": "([0-9a-f-]{0,64})", "detail": "(?:([0-9a-f]{16})")?',
    re.ASCII | re.MULTILINE,
)


class Heartbeat(NamedTuple):
    """What a node says with each: the generation that it runs, its boot, and the generation of which it has files over
    NFS, None for none. ``time`` is nginx's.
    """

    time: str
    generation: str
    boot: str
    mounted: str | None


def load_words(
    reports: Path, *, addresses: Mapping[str, IPv4Address], tail: int = TAIL, only: Collection[str] | None = None
) -> dict[str, LastWord]:
    """Return each machine's last word by MAC, as :func:`last_words` does, and when it was last heard.

    A node that has been up for longer than its reports are kept is known by its heartbeats: it is ready.
    ``tail`` is how much of each log is read, in bytes; ``only`` are MAC addresses: others may be left out.
    """
    words = last_words(load_reports(reports, tail=tail, only=only), addresses=addresses)
    for mac, beat in load_heartbeats(reports, addresses=addresses, tail=tail, only=only).items():
        word = words.get(mac)
        if word is None:
            report = Report(beat.time, addresses[mac], "ready", mac, beat.generation, beat.boot, "", "")
            words[mac] = LastWord(report, beat.generation, beat.time)
        elif beat.time > word.heard:
            words[mac] = replace(word, heard=beat.time)
    return words


def load_heartbeats(
    reports: Path, *, addresses: Mapping[str, IPv4Address], tail: int = TAIL, only: Collection[str] | None = None
) -> dict[str, Heartbeat]:
    """Return each machine's last heartbeat by MAC; the log is beside ``reports``, the rest as above."""
    text = load_tail(reports.with_name(LOG), tail)
    if only is not None:
        text = "\n".join(lines_with(spellings(only), text))
    return parse_heartbeats(text, addresses=addresses)


def parse_heartbeats(text: str, *, addresses: Mapping[str, IPv4Address]) -> dict[str, Heartbeat]:
    """Return the last heartbeat of each machine in ``text`` by MAC, of those that came from the machine's address."""
    last = {(unquote(match[3]), match[2]): match.group(1, 4, 5, 6) for match in _LINE.finditer(text)}
    said = ((mac, last.get((mac, str(address)))) for mac, address in addresses.items())
    return {mac: Heartbeat(*beat) for mac, beat in said if beat}
