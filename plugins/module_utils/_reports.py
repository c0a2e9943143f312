# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes said of themselves: the end of nginx's report log, one JSON object a line.

Everything in a line but its time and address was chosen by whoever fetched the report URL, and stands there as it does
in the URL: percent-encoded.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from urllib.parse import quote, unquote, unquote_plus

from ._errors import PerceusError
from ._lines import lines_with
from ._names import parse_mac

STAGES = ("fetch", "verified", "pivot", "ready", "refused", "retry", "nomem", "install", "installed", "livesync")
UP = ("ready", "livesync")  # the stages at which a node's own users can be at work
# Not how far a boot is, but how the running node is: ``detail`` says what is so, an empty one that it is so no more.
CONDITIONS = ("disk_failed", "drifted", "needs_reboot", "script_failed")
# Neither: what happened on the way.
EVENTS = ("script",)
TAIL = 8 * 1024 * 1024  # bytes; about 30,000 reports
LONGEST_DETAIL = 500  # characters

_GENERATION = re.compile(r"[0-9a-f]{16}", re.ASCII)
_BOOT = re.compile(r"[0-9a-f-]{1,64}", re.ASCII)
_HOST_KEY = re.compile(r"[A-Za-z0-9+/]{1,2048}={0,2}", re.ASCII)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True)
class Report:
    """One valid line. ``generation``, ``boot`` and ``hostkey`` are empty when absent or malformed."""

    time: str
    address: IPv4Address
    stage: str
    mac: str
    generation: str
    boot: str
    detail: str
    hostkey: str


@dataclass(frozen=True)
class LastWord:
    """The last report of a machine about its boot, the generation of the last one that named any, and what else it
    said since it booted: the details of its conditions. ``heard`` is the time of its last report or other sign of life.
    """

    report: Report
    generation: str
    heard: str
    conditions: Mapping[str, str] = field(default_factory=dict)


def parse_reports(text: str) -> Iterator[Report]:
    """Yield the valid reports in ``text``, oldest first. Lines that are anything else are passed over."""
    for line in text.splitlines():
        report = _parse_line(line)
        if report is not None:
            yield report


def load_reports(log: Path, *, tail: int = TAIL, only: Collection[str] | None = None) -> list[Report]:
    """Return the reports in the last ``tail`` bytes of ``log`` and of the ``.1`` that rotation left beside it.

    ``only`` are MAC addresses: reports of others may be left out. A log that does not exist yet holds no reports.
    Raises :class:`PerceusError` when one cannot be read.
    """
    text = load_tail(log, tail)
    if only is not None:
        text = "\n".join(lines_with(spellings(only), text))
    return list(parse_reports(text))


def spellings(macs: Iterable[str]) -> Iterator[str]:
    """Yield how MACs may stand in a line: as they are, or as one version of curl or another encodes them."""
    for mac in macs:
        yield from (mac, quote(mac), quote(mac).lower())


def last_words(reports: Iterable[Report], *, addresses: Mapping[str, IPv4Address]) -> dict[str, LastWord]:
    """Return each machine's last word by MAC.

    ``addresses`` maps the MACs of nodes to their addresses: a report counts only if it came from its node's own, so
    that no machine speaks for another.
    """
    words: dict[str, LastWord] = {}
    for report in reports:
        if addresses.get(report.mac) == report.address and report.stage not in EVENTS:
            before = words.get(report.mac)
            if report.stage not in CONDITIONS:
                words[report.mac] = _follow(before, report)
            elif before is not None and before.report.boot == report.boot:
                known = {name: detail for name, detail in before.conditions.items() if name != report.stage}
                conditions = {**known, report.stage: report.detail} if report.detail else known
                words[report.mac] = replace(before, conditions=conditions, heard=report.time)
    return words


def _follow(before: LastWord | None, report: Report) -> LastWord:
    """Return the last word that is ``report``: what is synced has not drifted, and what boots starts anew."""
    if before is None:
        return LastWord(report, report.generation, report.time)
    kept: Mapping[str, str] = {}
    if before.conditions and before.report.boot == report.boot:
        synced = report.stage == "livesync"
        kept = {name: detail for name, detail in before.conditions.items() if not (synced and name == "drifted")}
    return LastWord(report, report.generation or before.generation, report.time, kept)


def latest_word(words: Mapping[str, LastWord], macs: Iterable[str]) -> LastWord | None:
    """Return the last word of a node with these MACs, None when it never said any."""
    said = (words[mac] for mac in macs if mac in words)
    return max(said, key=lambda word: word.report.time, default=None)


def load_tail(log: Path, tail: int) -> str:
    """Return the text of the last ``tail`` bytes of ``log`` and of the ``.1`` that rotation left beside it.

    A log that does not exist is empty. Raises :class:`PerceusError` when one cannot be read.
    """
    newest = _load_tail(log, tail)
    older = _load_tail(log.with_name(f"{log.name}.1"), tail - len(newest))
    return (older + newest).decode(errors="replace")


def _load_tail(log: Path, tail: int) -> bytes:
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - tail))
            return stream.read(tail)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise PerceusError(
            f"Cannot read report log {str(log)!r}: {error.strerror}", hint="Give the right file, readable by this user"
        ) from error


def _parse_line(line: str) -> Report | None:
    try:
        fields = json.loads(line)
        address = IPv4Address(fields["address"])
        mac = parse_mac(unquote(fields["mac"]))
        stage, time = fields["stage"], fields["time"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, AddressValueError, PerceusError):
        return None
    if stage not in STAGES + CONDITIONS + EVENTS or not isinstance(time, str):
        return None

    def text(key: str, pattern: re.Pattern[str]) -> str:
        raw = fields.get(key)
        value = unquote(raw) if isinstance(raw, str) else ""
        return value if pattern.fullmatch(value) else ""

    return Report(
        time=_UNPRINTABLE.sub("?", time),
        address=address,
        stage=stage,
        mac=mac,
        generation=text("generation", _GENERATION),
        boot=text("boot", _BOOT),
        detail=_UNPRINTABLE.sub("?", unquote_plus(str(fields.get("detail") or "")))[:LONGEST_DETAIL],
        hostkey=text("hostkey", _HOST_KEY),
    )
