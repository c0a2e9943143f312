# SPDX-License-Identifier: GPL-3.0-or-later
"""Whenever a module is killed or told to stop: what was there is there, or what was to be, and nothing else is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import CALL, CAPSULES, Master, import_options

SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
# Before the first audit event of this name (docs.python.org/library/audit_events) whose arguments match, stand still.
STAND_STILL = """
import os, re, signal, sys
stood = []
def stand_still(event, arguments):
    if not stood and event == sys.argv[3] and re.search(sys.argv[4], " ".join(map(str, arguments))):
        stood.append(event)
        os.kill(os.getpid(), signal.SIGSTOP)
sys.addaudithook(stand_still)
"""
STEPS = {
    "before-anything": ("tempfile.mkdtemp", r"/debian/\.tmp\."),
    "kernel-copied": ("os.link", "initramfs.img"),
    "packed-and-described": ("os.rename", r"/image\.json "),
    "summed": ("os.rename", "/SHA256SUMS "),
    "to-be-renamed": ("os.rename", r" \S+/images/[0-9a-f]{16} "),
    "renamed": ("os.rename", r"/\.seen "),
    "to-be-linked": ("os.symlink", r"\.tmp\.current"),
    "to-be-flipped": ("os.rename", "/current "),
    "flipped": ("os.rename", r"/images/\S+ \S+/\.tmp\.[0-9a-f]{16} "),
    "pruning": ("shutil.rmtree", r"/\.tmp\.[0-9a-f]{16} "),
}
RENAMED, FLIPPED = (list(STEPS).index(step) for step in ("renamed", "flipped"))
SWAP_STEPS = {
    "tree-unpacked": ("os.rename", r"/copy/\.tmp\.\S+/vnfs\.yml "),
    "recipe-kept": ("os.rename", r"/copy/rootfs \S+/\.old/rootfs "),
    "old-aside": ("os.rename", r"/vnfs\.yml \S+/copy/vnfs\.yml "),
    "recipe-in-place": ("os.rename", r"/rootfs \S+/copy/rootfs "),
    "tree-in-place": ("shutil.rmtree", r"/copy/\.old "),
}
REPLACED = ("initramfs.img", "vnfs.yml", "overrides.json")  # by others with the same content
REMOVAL_STEPS = {
    "to-be-renamed": ("os.rename", r"/copy \S+/\.copy\.gone "),
    "renamed": ("shutil.rmtree", r"/\.copy\.gone "),
}


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [found for child in children for found in (child, *descendants(child))]


def await_end(pids: list[int]) -> None:
    """Wait until none of these processes is alive. Orphans, which are this process's then, leave an empty entry."""
    deadline = time.monotonic() + 10
    while alive := [name_of(pid) for pid in pids if _is_alive(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it ended meanwhile


def await_program(process: subprocess.Popen[str], program: str) -> None:
    """Wait until ``process`` has one of this name at work."""
    while program not in map(name_of, descendants(process.pid)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def start_until(master: Master, event: str, pattern: str, module: str, **options: Any) -> subprocess.Popen[str]:
    """Start a module, which stands still before it does what ``event`` and ``pattern`` say."""
    code = STAND_STILL + CALL
    process = subprocess.Popen(
        master.command(sys.executable, "-c", code, module, json.dumps(options), event, pattern),
        env={**os.environ, "PYTHONPATH": str(master.collections)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    state = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert state is not None
    assert state.si_code == os.CLD_STOPPED, process.communicate()
    return process


def end(process: subprocess.Popen[str], how: signal.Signals, *, what: str) -> None:
    """Send a signal, and see that the process says so, if it can, and that nothing of it is left."""
    started = descendants(process.pid)
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    try:
        said, words = process.communicate(timeout=60)
    finally:
        process.kill()
    if how == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 1
        assert "Traceback" not in (words or "")
        assert json.loads(said)["msg"] == (
            f"Cannot finish the work on VNFS {what!r}: it was stopped by {how.name}. "
            "What was half done is undone: run it again"
        )
    await_end(started)


def hold(master: Master, name: str) -> None:
    """Have a module take the lock and do nothing."""
    result = master.call("vnfs_capsule", name=name, state="exported", generation="0" * 16)
    assert result["failed"]


def look(master: Master, name: str) -> dict[str, Any]:
    """All that a killed module could have spoiled, of the VNFS called ``name``."""
    store = master.vnfs.parent
    folder = store / name
    if (folder / "current").exists():
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder / "current", check=True)
    files = [*folder.glob("[!.]*"), *folder.glob("images/*"), *folder.glob("initramfs/*"), *folder.glob("rootfs/*")]
    capsules = master.path(CAPSULES)
    return {
        "files": {str(path.relative_to(store)): path.lstat().st_ino for path in files if path.name not in REPLACED},
        "hidden": sorted(path.name for path in folder.glob(".*") if path.name != ".seen"),
        "gone": [path.name for path in store.glob(".*.gone")],
        "recipe": (folder / "vnfs.yml").read_bytes() if folder.exists() else None,
        "current": os.readlink(folder / "current") if (folder / "current").is_symlink() else None,
        "capsules": sorted(path.name for path in capsules.iterdir()) if capsules.exists() else [],
        "policy": (folder / "rootfs/usr/sbin/policy-rc.d").exists(),
        "mounts": master.run("cat", "/proc/self/mountinfo"),
        "progress": master.path(f"/run/perceus/progress/{name}.json").exists(),
    }


@pytest.fixture(autouse=True)
def interrupted() -> Iterator[None]:
    """What is started can be interrupted, also where a shell has put the tests into the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("how", [signal.SIGKILL, None], ids=["killed", "told"])
@pytest.mark.parametrize("step", STEPS)
def test_a_publish_that_stops_at_any_step_leaves_the_old_image_or_the_new(
    lean: Master, changed: Path, step: str, how: signal.Signals | None
) -> None:
    del changed
    number = list(STEPS).index(step)
    before = look(lean, "debian")
    process = start_until(lean, *STEPS[step], "vnfs_image", name="debian")
    end(process, how or SIGNALS[1 + number % 2], what="debian")
    if how == signal.SIGKILL:
        assert f"process {process.pid} " in (lean.vnfs.parent / ".debian.lock").read_text()
        hold(lean, "debian")
    after = look(lean, "debian")
    assert (after["current"] != before["current"]) == (number >= FLIPPED)
    new = after["files"].keys() - before["files"].keys()
    assert len(new) == (number >= RENAMED)
    unlike = ("files", "current")
    assert {**after, **dict.fromkeys(unlike)} == {**before, **dict.fromkeys(unlike)}

    published = lean.do("vnfs_image", name="debian")
    assert published["action"] == ("none" if number >= FLIPPED else "flip" if number >= RENAMED else "publish")
    final = look(lean, "debian")
    assert final["current"] == f"images/{published['generation']}"
    assert [name for name in final["files"] if "/images/" in name] == [f"debian/{final['current']}"]
    assert {**final, **dict.fromkeys(unlike)} == {**before, **dict.fromkeys(unlike)}


@pytest.fixture
def work(request: pytest.FixtureRequest, lean: Master, copy: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The program that is to be stopped at its work, and the module with its options that has it run."""
    program = request.param
    capsules = lean.path(CAPSULES)
    if program == "dracut":
        made = lean.vnfs / "initramfs/made.json"
        kept = made.rename(made.with_name("kept"))
        yield program, "vnfs_image", {"name": "debian"}
        kept.rename(made)
    elif program == "mksquashfs":
        yield program, "vnfs_image", {"name": "debian"}
    elif program == "sleep":
        yield program, "vnfs_command", {"name": "debian", "argv": ["sleep", "1000"]}
    elif program == "cp":
        yield program, "vnfs", {"name": copy, "clone": {"vnfs": "debian"}}
    else:
        yield program, "vnfs_capsule", {"name": "debian", "state": "exported"}
        for file in capsules.glob("debian-*"):
            file.unlink()


@pytest.mark.usefixtures("changed")
@pytest.mark.parametrize("how", SIGNALS, ids=lambda how: how.name)
@pytest.mark.parametrize("work", ["dracut", "mksquashfs", "sleep", "cp", "zstd"], indirect=True)
def test_what_stops_while_a_program_works_leaves_what_was(
    lean: Master, work: tuple[str, str, dict[str, Any]], how: signal.Signals
) -> None:
    program, module, options = work
    name = options["name"]
    before = look(lean, name)
    process = lean.start(module, **options)
    await_program(process, program)
    end(process, how, what=name)
    if how == signal.SIGKILL:
        hold(lean, name)
        assert {**look(lean, name), "capsules": None} == {**before, "capsules": None}
    else:
        assert look(lean, name) == before
    if module == "vnfs_capsule":
        exported = lean.do(module, **options)
        file = Path(exported["capsule"]).name
        names = {path.name for path in lean.path(CAPSULES).iterdir()}
        assert {file, f"{file}.sha256"} <= names
        assert not any(name.startswith(".") for name in names)


@pytest.fixture
def held_up(request: pytest.FixtureRequest, zoo: Master) -> Iterator[tuple[str, dict[str, Any]]]:
    """A program that never ends, to which a source leaves the work, and the options that ask for that source."""
    program, options = request.param
    stand_in = zoo.path(f"/usr/local/bin/{program}")
    stand_in.write_text("#!/bin/sh\nsleep 1000\n")
    stand_in.chmod(0o755)
    yield program, options
    stand_in.unlink()


@pytest.mark.parametrize("how", SIGNALS[:2], ids=lambda how: how.name)
@pytest.mark.parametrize(
    "held_up",
    [
        ("mmdebstrap", {"mmdebstrap": {"suite": "bookworm"}}),
        (
            "dnf",
            {
                "dnf": {
                    "release": "9",
                    "repositories": [{"name": "local", "baseurl": "file:///srv/none", "gpgcheck": False}],
                }
            },
        ),
        ("skopeo", {"oci": {"image": "oci:/srv/none:one", "digest": f"sha256:{'0' * 64}"}}),
        ("rsync", {"node": {"host": "127.0.0.1", "host_key": "ssh-ed25519 AAAA"}}),
    ],
    indirect=True,
    ids=lambda case: case[0],
)
def test_a_build_that_stops_while_its_source_works_leaves_no_vnfs(
    zoo: Master, held_up: tuple[str, dict[str, Any]], copy: str, how: signal.Signals
) -> None:
    program, options = held_up
    before = look(zoo, copy)
    process = zoo.start("vnfs", name=copy, **options)
    await_program(process, program)
    end(process, how, what=copy)
    if how == signal.SIGKILL:
        hold(zoo, copy)
    assert look(zoo, copy) == {**before, "files": {}}


@pytest.fixture
def importing(zoo: Master, exported: dict[str, Any], copy: str) -> Iterator[dict[str, Any]]:
    """The options that import a capsule, whose unpacking never ends."""
    zoo.do("vnfs_capsule", **import_options(exported, name=copy))
    stand_in = zoo.path("/usr/local/bin/tar")
    stand_in.write_text("#!/bin/sh\nsleep 1000\n")
    stand_in.chmod(0o755)
    yield {**import_options(exported, name=copy), "force": True}
    stand_in.unlink()


@pytest.mark.parametrize("how", SIGNALS[:2], ids=lambda how: how.name)
def test_an_import_that_stops_while_it_unpacks_leaves_what_was(
    zoo: Master, importing: dict[str, Any], copy: str, how: signal.Signals
) -> None:
    before = look(zoo, copy)
    process = zoo.start("vnfs_capsule", **importing)
    await_program(process, "tar")
    end(process, how, what=copy)
    if how == signal.SIGKILL:
        hold(zoo, copy)
    assert look(zoo, copy) == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda how: how.name)
def test_a_shell_that_ends_takes_along_what_was_started_in_it(capsule: Master, how: signal.Signals) -> None:
    before = look(capsule, "debian")
    process = subprocess.Popen(
        capsule.command("vnfs-shell", "debian", "sh", "-c", "sleep 1000 & sleep 1001"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    await_program(process, "sleep")
    started = descendants(process.pid)
    process.send_signal(how)
    _, words = process.communicate(timeout=20)
    assert process.returncode != 0
    if how != signal.SIGKILL:
        assert re.fullmatch(rf"(?:vnfs-shell: )?Cannot finish the work on VNFS 'debian': .* {how.name}\. .*\n", words)
    await_end(started)
    capsule.inside("true")
    assert look(capsule, "debian") == before


@pytest.fixture
def imported(zoo: Master, exported: dict[str, Any], copy: str) -> dict[str, Any]:
    """The options that import a small VNFS again, which is there."""
    options = import_options(exported, name=copy)
    zoo.do("vnfs_capsule", **options)
    with zoo.path("/var/lib/perceus/vnfs/copy/vnfs.yml").open("a") as recipe:
        recipe.write("# the old one\n")
    return {**options, "force": True}


@pytest.mark.parametrize("how", SIGNALS[:2], ids=lambda how: how.name)
@pytest.mark.parametrize("step", SWAP_STEPS)
def test_a_tree_that_is_being_replaced_is_the_old_one_or_the_new(
    zoo: Master, imported: dict[str, Any], step: str, how: signal.Signals
) -> None:
    before = look(zoo, "copy")
    process = start_until(zoo, *SWAP_STEPS[step], "vnfs_capsule", **imported)
    end(process, how, what="copy")
    if how == signal.SIGKILL:
        hold(zoo, "copy")
    after = look(zoo, "copy")
    if step != "tree-in-place":
        assert after == before
    else:
        assert after["files"]["copy/rootfs"] != before["files"]["copy/rootfs"]
        assert b"# the old one" not in after["recipe"]
        assert after["files"].keys() == before["files"].keys()
        assert {**after, "files": None, "recipe": None} == {**before, "files": None, "recipe": None}
    assert zoo.do("vnfs_capsule", **imported)["action"] == "replace"


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("how", SIGNALS[:2], ids=lambda how: how.name)
@pytest.mark.parametrize("step", REMOVAL_STEPS)
def test_a_vnfs_that_is_being_removed_is_there_or_gone(zoo: Master, step: str, how: signal.Signals) -> None:
    before = look(zoo, "copy")
    process = start_until(zoo, *REMOVAL_STEPS[step], "vnfs", name="copy", state="absent")
    end(process, how, what="copy")
    assert zoo.path("/var/lib/perceus/vnfs/copy").exists() == (step == "to-be-renamed")
    if step == "to-be-renamed":
        assert look(zoo, "copy") == before
    zoo.do("vnfs", name="copy", state="absent")
    after = look(zoo, "copy")
    assert (after["files"], after["gone"]) == ({}, [])
