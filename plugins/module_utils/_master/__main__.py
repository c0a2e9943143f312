# SPDX-License-Identifier: GPL-3.0-or-later
"""The master's own programs, run as ``python3 -m perceus._master PROGRAM``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .._config import DEFAULT_CONFIG, ConfigError, load_config
from .._errors import PerceusError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one program and return its exit status: 0 done, 1 not done and said why, 2 called wrongly.

    ``shell`` has the exit status of what it runs.
    """
    options = _build_parser().parse_args(arguments)
    try:
        if options.program == "shell":
            shell = importlib.import_module(".shell", __package__)
            inside: int = shell.run(options.vnfs, options.argv, first=options.first)
            return inside
        if options.program == "inventory":
            inventory = importlib.import_module(".inventory", __package__)
            told: int = inventory.run(options.config, output=options.output)
            return told
        load = partial(load_config, options.config)
        if options.program == "check-config":
            load()
            return 0
        # Loaded by name and on demand: a program that cannot be loaded must not stop the other.
        status: int = importlib.import_module(f".{options.program}", __package__).run(load)
        return status
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
    except PerceusError as error:
        sys.stderr.write(f"{error}\n")
    return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="perceus", allow_abbrev=False)
    programs = parser.add_subparsers(dest="program", required=True)
    for name, does in (
        ("reconcile", "make registry, boot scripts, DHCP and DNS entries what they should be"),
        ("installations", "note which nodes are installed on their disks"),
        ("identity", "give nodes that came up their permanent ssh host keys and their secrets"),
        ("inventory", "print all that the inventory shows"),
    ):
        program = programs.add_parser(name, help=does, allow_abbrev=False)
        program.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
        if name == "inventory":
            program.add_argument("--output", type=Path, metavar="FILE", help="write it there instead")
    check = programs.add_parser("check-config", help="say all that is wrong with a configuration", allow_abbrev=False)
    check.add_argument("config", type=Path, metavar="FILE")
    shell = programs.add_parser("shell", help="work inside a VNFS", allow_abbrev=False)
    shell.add_argument("--first", action="store_true", help="make the program process 1")
    shell.add_argument("vnfs", metavar="VNFS")
    shell.add_argument("argv", metavar="PROGRAM", nargs=argparse.REMAINDER, help="default: a shell")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
