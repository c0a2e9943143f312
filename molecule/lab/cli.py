# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

from lab import console, demo, lifecycle, network, node, ssh
from lab.errors import LabError
from lab.settings import Lab, Machine

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        if os.geteuid() != 0:
            raise LabError("Cannot manage a lab: namespaces, mounts and taps need root")
        return int(arguments.verb(Lab.from_environment(), arguments) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def up(lab: Lab, _: argparse.Namespace) -> None:
    lifecycle.up(lab)
    print(f"lab: {lab.name} is up")


def down(lab: Lab, arguments: argparse.Namespace) -> int:
    if not arguments.check:
        lifecycle.down(lab)
    left = lifecycle.leftovers(lab)
    print("\n".join(left) if left else f"lab: nothing is left of {lab.name}")
    return 1 if left else 0


def purge(lab: Lab, _: argparse.Namespace) -> None:
    lifecycle.purge(lab)


def show(lab: Lab, _: argparse.Namespace) -> None:
    demo.run(lab)


def status(lab: Lab, _: argparse.Namespace) -> int:
    answers = lab.part("master").populated() and ssh.answers(lab, "master")
    print(f"{'master':8} {'answers' if answers else 'down'}")
    for machine in lab.machines:
        said = console.tail(lab.console(machine), lines=1)
        print(f"{machine.name:8} {'running' if node.running(lab, machine) else 'off':8} {machine.mac}  {said}".rstrip())
    return 0 if answers else 1


def start(lab: Lab, arguments: argparse.Namespace) -> None:
    if arguments.machine == "all":
        node.start_in_order(lab)
    else:
        node.start(lab, lab.machine(arguments.machine))


def stop(lab: Lab, arguments: argparse.Namespace) -> None:
    for machine in _machines(lab, arguments.machine):
        node.stop(lab, machine)


def reset(lab: Lab, arguments: argparse.Namespace) -> None:
    for machine in _machines(lab, arguments.machine):
        node.reset(lab, machine)


def show_console(lab: Lab, arguments: argparse.Namespace) -> None:
    log = lab.console(lab.machine(arguments.machine))
    if not arguments.follow:
        print(console.text(log))
        return
    for piece in console.follow(log):
        print(piece, end="", flush=True)


def wait(lab: Lab, arguments: argparse.Namespace) -> None:
    for machine in _machines(lab, arguments.machine):
        console.wait(lab.console(machine), arguments.text, timeout=arguments.timeout)


def execute(lab: Lab, arguments: argparse.Namespace) -> NoReturn:
    if not network.exists(lab.master):
        raise LabError("Cannot run a command in the lab: it is not up")
    limit = ["timeout", "--foreground", "--kill-after=5", str(arguments.timeout)] if arguments.timeout else []
    _become(network.inside(lab.master, [*limit, *_operands(arguments)]))


def log_in(lab: Lab, arguments: argparse.Namespace) -> NoReturn:
    _become(ssh.command(lab, arguments.host, _operands(arguments)))


def _machines(lab: Lab, name: str) -> tuple[Machine, ...]:
    return lab.machines if name == "all" else (lab.machine(name),)


def _operands(arguments: argparse.Namespace) -> list[str]:
    """The command after an optional ``--``."""
    words = list(arguments.command)
    return words[1:] if words[:1] == ["--"] else words


def _become(argv: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606 - an argument list, never a shell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="A cluster in a box.")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def verb(
        name: str, action: Callable[[Lab, argparse.Namespace], int | None], summary: str, *, under: Verbs = verbs
    ) -> argparse.ArgumentParser:
        command = under.add_parser(name, help=summary, description=summary)
        command.set_defaults(verb=action)
        return command

    verb("up", up, "make whatever is missing of the lab, and wait for its master")
    verb("down", down, "remove the lab; the cache stays").add_argument(
        "--check", action="store_true", help="remove nothing; list what is there and fail if anything is"
    )
    verb("purge", purge, "remove the lab and the cache")
    verb("demo", show, "a master, a VNFS, two nodes, a livesync, step by step; leaves the cluster up")
    verb("status", status, "say what runs; fail when the master does not answer")
    machines = verbs.add_parser("node", help="the bare machines").add_subparsers(required=True, metavar="COMMAND")
    for name, action, summary in (
        ("start", start, "power on"),
        ("stop", stop, "pull the plug"),
        ("reset", reset, "pull the plug and power on"),
    ):
        verb(name, action, summary, under=machines).add_argument("machine", metavar="NAME|all")
    command = verb("console", show_console, "print what a machine said on its serial line", under=machines)
    command.add_argument("machine", metavar="NAME")
    command.add_argument("--follow", "-f", action="store_true", help="go on printing")
    command = verb("wait", wait, "wait until a machine's console says a text; fail early when its boot cannot succeed")
    command.add_argument("machine", metavar="NAME|all")
    command.add_argument("--for", dest="text", required=True, metavar="TEXT")
    command.add_argument("--timeout", type=float, default=300, metavar="SECONDS", help="default: 300")
    command = verb("exec", execute, "run a command of this host inside the master's network")
    command.add_argument("--timeout", type=float, metavar="SECONDS", help="end the command after so long")
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    command = verb("ssh", log_in, "log in to the master or a node, or run a command there")
    command.add_argument("host", metavar="HOST")
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser
