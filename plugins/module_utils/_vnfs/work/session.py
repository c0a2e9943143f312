# SPDX-License-Identifier: GPL-3.0-or-later
"""Who works in the tree of a VNFS: a record that keeps others from publishing or replacing it meanwhile.

Nothing is mounted on the master for it, so that nothing can be left mounted.
"""

from __future__ import annotations

import json
import os
import pwd
import time
from dataclasses import asdict, dataclass

from ..._errors import PerceusError
from ..._files import write_atomically
from ..store import Vnfs, refuse_mounts
from .occupants import refuse_occupants


@dataclass(frozen=True)
class Session:
    """``since`` is UTC, ``2030-01-01T00:00:00Z``."""

    who: str
    since: str


def begin_session() -> Session:
    """Return a session of the user who runs this, now; of root by sudo(8) it is who called that."""
    who = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return Session(who, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def load_session(vnfs: Vnfs) -> Session | None:
    """Return who works in the tree, None when nobody does."""
    try:
        fields = json.loads(vnfs.mounted.read_bytes())
        return Session(str(fields["who"]), str(fields["since"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PerceusError(
            f"Cannot read {str(vnfs.mounted)!r}: not a record of who mounted a VNFS",
            hint="Remove it when nobody works in the tree",
        ) from error


def save_session(vnfs: Vnfs, session: Session) -> None:
    write_atomically(vnfs.mounted, json.dumps(asdict(session)) + "\n")


def refuse_others(vnfs: Vnfs, verb: str) -> None:
    """Raise :class:`PerceusError`, which says who and since when, while somebody else works in the tree."""
    session = load_session(vnfs)
    if session is not None and session.who != begin_session().who:
        raise PerceusError(
            f"Cannot {verb} VNFS {vnfs.name!r}: {session.who} has it mounted since {session.since}",
            hint="Wait for them to unmount it, or take it over by 'vnfs_mount' with force",
            vnfs=vnfs.name,
            mounted=asdict(session),
        )


@dataclass(frozen=True)
class UnmountPlan:
    """What handing back does. ``session`` is who has the tree now."""

    session: Session | None

    @property
    def action(self) -> str:
        return "unmount" if self.session else "none"

    @property
    def changed(self) -> bool:
        return self.action != "none"

    def as_diff(self) -> dict[str, str]:
        return {"before": _render(self.session), "after": ""}


@dataclass(frozen=True)
class MountPlan:
    """What mounting does. ``before`` is who has the tree now."""

    before: Session | None
    session: Session

    @property
    def action(self) -> str:
        return "none" if self.before == self.session else "mount"

    @property
    def changed(self) -> bool:
        return self.action != "none"

    def as_diff(self) -> dict[str, str]:
        return {"before": _render(self.before), "after": _render(self.session)}


def _render(session: Session | None) -> str:
    """Return who works in the tree as one line, without the time, which check mode cannot know."""
    return f"mounted by {session.who}\n" if session else ""


def plan_mount(vnfs: Vnfs, *, force: bool) -> MountPlan:
    """Decide; needs the lock, writes nothing. Whoever has the tree already goes on, others need ``force``."""
    vnfs.require_tree()
    if not force:
        refuse_others(vnfs, "mount")
    before, session = load_session(vnfs), begin_session()
    return MountPlan(before, before if before and before.who == session.who else session)


def apply_mount(plan: MountPlan, vnfs: Vnfs) -> None:
    """Say who works in the tree; needs the lock."""
    if plan.changed:
        save_session(vnfs, plan.session)


def plan_unmount(vnfs: Vnfs, *, force: bool) -> UnmountPlan:
    """Decide; needs the lock, writes nothing. Raises :class:`PerceusError` while somebody works in the tree."""
    vnfs.require_tree()
    if not force:
        refuse_others(vnfs, "unmount")
    plan = UnmountPlan(load_session(vnfs))
    if plan.changed:
        refuse_mounts(vnfs.rootfs, "unmount")
        refuse_occupants(vnfs, "unmount")
    return plan


def apply_unmount(plan: UnmountPlan, vnfs: Vnfs) -> None:
    """Forget who had the tree; needs the lock."""
    if plan.changed:
        vnfs.mounted.unlink()
