# SPDX-License-Identifier: GPL-3.0-or-later
"""The boots of nodes, from firmware to ready, by what the logs still have of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from .._config import ClusterConfig
from .._reports import Report, load_reports
from .discoveries import Discovery, believe, load_discoveries
from .machines import tail_for
from .record import Record, load_record
from .registry import Registry

FIRMWARE, READY = "firmware", "ready"
AFTER = frozenset({"drifted", "livesync", "needs_reboot"})  # what a node says when its boot is long over
LONGEST_START = timedelta(minutes=10)  # from boot script to first report; a kernel may wait for its hardware
MOST = 10  # boots of a node


@dataclass
class Stage:
    """What was reached, or went wrong: when first, how often, and what was said last."""

    first: datetime
    count: int = 0
    detail: str = ""


@dataclass
class Boot:
    """One boot; ``stages`` are in the order in which they were first reached."""

    id: str
    generation: str
    stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def started(self) -> datetime:
        return next(iter(self.stages.values())).first

    def add(self, stage: str, time: datetime, detail: str) -> None:
        reached = self.stages.setdefault(stage, Stage(time))
        reached.count += 1
        reached.detail = detail

    def as_dict(self) -> dict[str, Any]:
        """Return the boot as a module's result shows it; ``after`` and ``seconds`` count from its first stage."""
        ready = self.stages.get(READY)
        return {
            "boot": self.id,
            "generation": self.generation or None,
            "started": self.started.isoformat(),
            "seconds": int((ready.first - self.started).total_seconds()) if ready else None,
            "stages": {
                name: {
                    "time": stage.first.isoformat(),
                    "after": int((stage.first - self.started).total_seconds()),
                    "count": stage.count,
                    "detail": stage.detail,
                }
                for name, stage in self.stages.items()
            },
        }


def load_boots(registry: Registry, config: ClusterConfig, *, reports: Path | None = None) -> dict[str, list[Boot]]:
    """Return the last boots of each node by its name, oldest first, from the configuration's logs or those beside
    ``reports``. Raises :class:`PerceusError` when one cannot be read.
    """
    config = replace(config, reports=reports or config.reports)
    lent = _lent_before(load_record(config.machines))
    scripts = believe(load_discoveries(config.boots), (registry.addresses, lent))
    return gather_boots(registry, load_reports(config.reports, tail=tail_for(config.registry)), scripts)


def _lent_before(record: Record) -> dict[str, IPv4Address]:
    """The addresses with which machines became nodes, from which their first boot asked for its script."""
    return {evidence.mac: IPv4Address(evidence.address) for evidence in record.machines if evidence.address}


def gather_boots(registry: Registry, reports: Iterable[Report], scripts: Iterable[Discovery]) -> dict[str, list[Boot]]:
    """Put reports and requests for boot scripts, each oldest first, together as boots by node.

    A report counts only if it came from its node's address; of the requests, the last one before the first report.
    """
    asked: dict[str, list[datetime]] = defaultdict(list)
    for script in scripts:
        asked[script.mac].append(script.time)
    boots: dict[str, dict[str, Boot]] = defaultdict(dict)
    for report in reports:
        node, time = registry.by_mac.get(report.mac), _parse_time(report.time)
        if node is None or node.address != report.address or time is None or report.stage in AFTER or not report.boot:
            continue
        known = boots[node.name]
        if report.boot not in known:
            known[report.boot] = Boot(report.boot, report.generation)
            began = max((then for then in asked[report.mac] if then <= time), default=None)
            if began is not None and time - began <= LONGEST_START:
                known[report.boot].add(FIRMWARE, began, "")
        known[report.boot].add(report.stage, time, report.detail)
    return {name: list(of_node.values())[-MOST:] for name, of_node in boots.items()}


def _parse_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
