# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program inside a tree as if it were booted there, unseen by the host: bwrap(1) in private namespaces.

The program is root with all capabilities over the tree (chown, mknod, setcap work), has its own /proc, /dev and /run,
the master's network and resolv.conf, and starts no service. It dies with its caller, and with it all it started. /tmp
is the tree's, so that one program finds there what another left; no image has it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..._errors import CommandError, PerceusError
from ..._process import SYSTEM_PATH, Completed, Runner, attach

POLICY = Path("/usr/local/lib/perceus/sandbox/policy-rc.d")
POLICY_INSIDE = "/usr/sbin/policy-rc.d"
RESOLVER = Path("/etc/resolv.conf")
LENT_RESOLVER = "/run/perceus-resolv.conf"
OWN_FOLDERS = ("/dev", "/proc", "/run")  # inside, each is the sandbox's own
LONGEST_CHAIN = 40  # symbolic links, as in path_resolution(7)

ENVIRONMENT = {
    "PATH": SYSTEM_PATH,
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    # Kernel packages leave the initramfs to us: by /etc/kernel/postinst.d/dracut, and by kernel-install(8)
    "INITRD": "No",
    "KERNEL_INSTALL_BYPASS": "1",
    "SYSTEMD_OFFLINE": "1",  # systemctl enables and disables, and takes nothing for running
}


@dataclass(frozen=True)
class MortalRunner:
    """A runner whose programs work on the host but die with their caller, and with them all that they started.

    ``mounts`` are options of bwrap(1) for what only these programs see.
    """

    runner: Runner
    mounts: tuple[str, ...] = ()

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | bytes | None = None,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        expected: tuple[int, ...] = (0,),
    ) -> Completed:
        shown = ("--dev-bind", "/", "/", "--proc", "/proc", *self.mounts)
        own = ("--unshare-pid", "--cap-add", "ALL", "--die-with-parent")
        with _blaming(argv):
            return self.runner(
                ["bwrap", *shown, *own, "--", *argv],
                stdin=stdin,
                timeout=timeout,
                env=env,
                cwd=cwd,
                expected=expected,
            )


@dataclass(frozen=True)
class Sandbox:
    """A tree to run programs in. ``shown`` and ``lent`` map folders outside to their names inside, below /run: those
    that are lent can be written to.
    """

    rootfs: Path
    runner: Runner
    read_only: bool = False
    shown: Mapping[Path, str] = field(default_factory=dict)
    lent: Mapping[Path, str] = field(default_factory=dict)
    policy: Path = POLICY

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | bytes | None = None,
        cwd: str = "/",
        expected: tuple[int, ...] = (0,),
    ) -> Completed:
        """Run ``argv`` to its end. Raises :class:`CommandError` as the runner does."""
        with self._command(argv, cwd, {}) as command, _blaming(argv):
            return self.runner(command, stdin=stdin, expected=expected)

    def attach(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, first: bool = False) -> int:
        """Run ``argv`` with this process's own standard streams, be they a terminal; return its exit status.

        For programs of the master that stand in for the one inside. ``environment`` comes on top of the sandbox's;
        ``first`` makes the program process 1, as Ansible wants a shell to be before it looks for systemd.
        """
        with self._command(argv, "/", environment or {}, first=first) as command:
            return attach(command)

    @contextlib.contextmanager
    def _command(
        self, argv: Sequence[str], cwd: str, environment: Mapping[str, str], *, first: bool = False
    ) -> Iterator[list[str]]:
        """Give the command line, and put the tree in order when it has ended."""
        try:
            masks = {} if self.read_only else self._masks()
            folders = [folder for target in masks for folder in self._make_folders(target)]
        except OSError as error:
            raise PerceusError(
                f"Cannot run {argv[0]!r} in {str(self.rootfs)!r}: {error.strerror} ({error.filename!r})",
                hint="Look at the tree",
            ) from error
        try:
            yield build_sandbox_argv(
                argv,
                rootfs=self.rootfs,
                read_only=self.read_only,
                masks=masks,
                outside=self._outside(),
                cwd=cwd,
                environment=environment,
                first=first,
            )
        finally:
            for name in () if self.read_only else (str(RESOLVER), *masks):
                _remove_placeholder(self.rootfs, name)
            for folder in folders:
                with contextlib.suppress(OSError):  # there is something in it now
                    folder.rmdir()

    def _outside(self) -> list[str]:
        kinds = (("--ro-bind", self.shown), ("--bind", self.lent))
        return [
            word for kind, folders in kinds for source, name in folders.items() for word in (kind, str(source), name)
        ]

    def _masks(self) -> dict[str, Path]:
        """What to mount over files of the tree: their names, with links resolved inside, and the file shown.

        A resolv.conf that somebody wrote is theirs to use and to replace. Where there is none, a link stands meanwhile,
        which a program inside can replace: what is mounted over cannot be replaced.
        """
        masks = {chase(self.rootfs, POLICY_INSIDE): self.policy}
        resolver = _find(self.rootfs, str(RESOLVER))
        if RESOLVER.exists() and resolver.parent.is_dir():
            if not os.path.lexists(resolver) or _is_empty_file(resolver):
                resolver.unlink(missing_ok=True)
                resolver.symlink_to(LENT_RESOLVER)
            if resolver.is_symlink():
                masks[chase(self.rootfs, str(RESOLVER))] = RESOLVER
        return masks

    def _make_folders(self, target: str) -> list[Path]:
        """Make the folders for what is mounted over, innermost first: those that bwrap makes are for root's eyes only.

        It makes them in the tree too, but does not remove them.
        """
        if _is_sandboxs_own(target):
            return []
        missing = [folder for folder in _find(self.rootfs, target).parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir()
        return missing


def remove_placeholders(rootfs: Path) -> None:
    """Remove what a killed sandbox has left in a tree."""
    with contextlib.suppress(PerceusError):  # links that lead nowhere: nothing was mounted there
        for name in (str(RESOLVER), chase(rootfs, POLICY_INSIDE)):
            _remove_placeholder(rootfs, name)


def _remove_placeholder(rootfs: Path, name: str) -> None:
    """Remove our link, or the empty file that bwrap makes in the tree where there was none to mount over."""
    file = _find(rootfs, name)
    if not _is_sandboxs_own(name) and (_is_empty_file(file) or _leads_to(file, LENT_RESOLVER)):
        file.unlink()


def _find(rootfs: Path, name: str) -> Path:
    """Where a file of the tree is, be it a link itself, when links to its folder are resolved as inside."""
    folder, base = os.path.split(name)
    return inside(rootfs, folder) / base


def _is_sandboxs_own(name: str) -> bool:
    return name.startswith(tuple(f"{folder}/" for folder in OWN_FOLDERS))


def _is_empty_file(file: Path) -> bool:
    try:
        found = file.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _leads_to(file: Path, target: str) -> bool:
    return file.is_symlink() and os.readlink(file) == target


@contextlib.contextmanager
def _blaming(argv: Sequence[str]) -> Iterator[None]:
    """Have an error name the program that was run in bwrap, unless bwrap itself could not be started."""
    try:
        yield
    except CommandError as error:
        if "rc" not in error.details:
            raise
        details = {**error.details, "argv": list(argv)}
        raise CommandError(error.msg.replace("'bwrap'", repr(argv[0]), 1), error.hint, **details) from error


def build_sandbox_argv(
    argv: Sequence[str],
    *,
    rootfs: Path,
    read_only: bool = False,
    masks: Mapping[str, Path] | None = None,
    outside: Sequence[str] = (),
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    first: bool = False,
) -> list[str]:
    """Return the command line that runs ``argv`` inside ``rootfs``.

    ``masks`` maps files inside, free of links, to the files outside that are shown there; ``outside`` are bwrap's own
    options for more of that kind.
    """
    own = ["--dev", "/dev", "--chmod", "1777", "/dev/shm", "--proc", "/proc", "--tmpfs", "/run"]  # noqa: S108
    # As every system that was booted has them; without the second one, sshd -t refuses any configuration
    own += ["--perms", "1777", "--dir", "/run/lock", "--dir", "/run/sshd"]
    for name in ("/tmp", "/var/tmp") if read_only else ():  # noqa: S108
        own += ["--perms", "1777", "--tmpfs", name]
    binds = []
    for target, source in (masks or {}).items():
        # bwrap would make missing folders, but for root's eyes only, and apt resolves names as another user
        folders = [str(parent) for parent in PurePosixPath(target).parents if str(parent).startswith("/run/")]
        binds += [word for folder in reversed(folders) for word in ("--dir", folder)]
        binds += ["--ro-bind", str(source), target]
    variables = [
        word for name, value in {**ENVIRONMENT, **(environment or {})}.items() for word in ("--setenv", name, value)
    ]
    return [
        "bwrap",
        *("--ro-bind" if read_only else "--bind", str(rootfs), "/"),
        *own,
        *binds,
        *outside,
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "vnfs"),
        *("--cap-add", "ALL", "--die-with-parent", *(["--as-pid-1"] if first else []), "--clearenv"),
        *variables,
        *("--chdir", cwd, "--", *argv),
    ]


def is_due(rootfs: Path, *, creates: str | None, removes: str | None) -> bool:
    """Whether a program is to be run that makes ``creates`` and removes ``removes``, names inside the tree."""

    def exists(name: str) -> bool:
        return os.path.lexists(inside(rootfs, name))

    return not (creates is not None and exists(creates)) and (removes is None or exists(removes))


def chase(rootfs: Path, name: str) -> str:
    """Return the absolute path to which ``name`` leads for a program inside the tree: no link of it leads outside."""
    pending = _parts(name)
    resolved: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            del resolved[-1:]
            continue
        try:
            target = os.readlink(rootfs.joinpath(*resolved, part))
        except OSError:
            resolved.append(part)
            continue
        links += 1
        if links > LONGEST_CHAIN:
            raise PerceusError(f"Cannot follow {name!r} in {str(rootfs)!r}: too many symbolic links")
        if target.startswith("/"):
            resolved.clear()
        pending.extend(_parts(target))
    return "/" + "/".join(resolved)


def inside(rootfs: Path, name: str) -> Path:
    """Return where on the host lies what ``name`` leads to inside the tree, as :func:`chase` follows it."""
    return rootfs / chase(rootfs, name)[1:]


def _parts(name: str) -> list[str]:
    """The components of a path, last one first."""
    return [part for part in reversed(name.split("/")) if part not in ("", ".")]
