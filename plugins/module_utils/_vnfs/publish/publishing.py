# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing as a verb: what the modules that do it have in common."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..._process import Runner
from ..build.build import load_tree
from ..build.usage import load_running
from ..phases import Phases
from ..store import Vnfs
from ..work.session import refuse_others
from .publish import Plan, apply_publish, diff_images, plan_publish, require_bootable


def publish_tree(
    vnfs: Vnfs, *, config: Path, runner: Runner, check: bool, force: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Publish the tree, or with ``check`` only say what that would do; needs the lock.

    Return the result of a module and warnings. ``force`` publishes also while somebody else has the tree mounted.
    """
    if not force:
        refuse_others(vnfs, "publish")
    phases = Phases(None if check else vnfs.progress)
    plan = plan_publish(vnfs, load_tree(vnfs), phases=phases, running=load_running(config))
    require_bootable(plan)
    diff = diff_images(plan, vnfs)
    if not check:
        apply_publish(plan, vnfs, runner=runner, phases=phases)
    warnings = [
        f"The pattern {pattern!r} of the option exclude keeps nothing out of the image"
        for pattern, excluded in plan.manifest.excluded.items()
        if not excluded.files
    ]
    return {**_describe(plan), "phases": phases.seconds, "diff": diff}, warnings


def _describe(plan: Plan) -> dict[str, Any]:
    return {
        "changed": plan.changed,
        "generation": plan.generation,
        "action": plan.action,
        "kernel_release": plan.kernel_release,
        "tree_size": plan.manifest.size,
        "tree_files": len(plan.manifest.entries),
        "excluded": plan.manifest.as_excluded(),
        "scrubbed": list(plan.manifest.scrubbed),
        "allowed_secrets": [asdict(secret) for secret in plan.manifest.secrets],
        "pruned": list(plan.pruned),
        "kept": {name: list(nodes) for name, nodes in plan.retention.kept.items()},
    }
