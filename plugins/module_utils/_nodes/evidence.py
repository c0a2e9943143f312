# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of each machine: what was known before, its lease, and what it says of itself. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from .._config import ClusterConfig
from .._leases.lease import Lease
from .adoption import AdoptionPlan
from .discoveries import Discovery
from .record import LEFT_OVER, NODE, QUARANTINE, UNKNOWN, Evidence
from .registry import Registry

REMEMBERED = timedelta(days=7)  # how long a machine is remembered that is no node and on the wire no more
MOST = 5000  # machines that are no nodes; who invents MAC addresses fills no disk
WAITS = timedelta(minutes=2)  # how long a machine is taken to be on the wire after it asked for its boot script

Machines = Mapping[str, Evidence]


def lent_otherwise(discoveries: Iterable[Discovery]) -> list[Lease]:
    """Return what stands for the leases of machines that were lent their addresses by a server that is not ours."""
    return [
        Lease(found.mac, found.address, int((found.time + WAITS).timestamp()))
        for found in {found.mac: found for found in discoveries}.values()
    ]


def gather_evidence(
    before: Machines,
    leases: Iterable[Lease],
    discoveries: Iterable[Discovery],
    registry: Registry,
    masked: Collection[str],
    *,
    now: datetime,
) -> dict[str, Evidence]:
    """Return the evidence of all machines by MAC, but for those ``masked``; what became of them is what it was before.

    The lease of a node is the one that made it one, so it is not followed. ``now`` is aware.
    """
    seen = {
        mac: evidence
        for mac, evidence in before.items()
        if mac not in masked and (evidence.status != NODE or mac in registry.by_mac)
    }
    for lease in leases:
        if lease.mac in masked or lease.mac in registry.by_mac or not lease.is_live(now):
            continue
        known = seen.get(lease.mac) or Evidence(lease.mac, UNKNOWN, _utc(now))
        seen[lease.mac] = replace(
            known, address=str(lease.address), expiry=lease.expiry, client_name=lease.client_name or known.client_name
        )
    for found in discoveries:
        if found.mac in seen or found.mac in registry.by_mac:
            known = seen.get(found.mac) or Evidence(found.mac, NODE, _utc(found.time), why="operator")
            seen[found.mac] = replace(known, hardware=found.hardware)
    return seen


def settle(
    seen: Machines,
    plan: AdoptionPlan,
    registry: Registry,
    config: ClusterConfig,
    *,
    held: Collection[str],
    now: datetime,
) -> tuple[Evidence, ...]:
    """Return the evidence in order of MAC, with what became of each machine by ``plan``; ``registry`` has its nodes.

    Machines are left out that are no nodes and have been away for long, and the ones seen first of too many.
    """
    adopted = {mac for node in plan.nodes for mac in node.macs}

    def outcome(evidence: Evidence) -> Evidence:
        mac = evidence.mac
        if mac in registry.by_mac:
            why = "adopt" if mac in adopted else evidence.why or "operator"
            return replace(evidence, status=NODE, why=why)
        if mac in held or config.adoption == "quarantine":
            status = QUARANTINE
        else:
            status = LEFT_OVER if mac in plan.left_over else UNKNOWN
        return replace(evidence, status=status, why="")

    settled = [outcome(seen[mac]) for mac in sorted(seen)]
    oldest = (now - REMEMBERED).timestamp()
    others = [evidence for evidence in settled if evidence.status != NODE]
    others.sort(key=lambda evidence: (evidence.first_seen, evidence.mac), reverse=True)
    gone = {evidence.mac for evidence in others if evidence.expiry is not None and evidence.expiry < oldest}
    gone.update(evidence.mac for evidence in others[MOST:])
    return tuple(evidence for evidence in settled if evidence.mac not in gone)


def _utc(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
