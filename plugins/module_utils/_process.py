# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to other programs: argument lists only, C locale, a clean environment, secrets on standard input."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

from ._errors import CommandError
from ._signals import postponing_signals

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LAST_WORDS = 2000  # characters of standard error that an error message carries
LAST_BREATH = 5.0  # seconds that are left to what a killed program has started


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its argument list, exit status and decoded output."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """The port that the domain depends on; tests hand in a recording one."""

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
        """Run a program to its end, as :class:`CommandRunner` does."""


class CommandRunner:
    """Run programs for real."""

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
        """Run ``argv`` to its end and return what it left.

        ``timeout`` is in seconds; ``env`` is added to a clean environment, nothing else is inherited. Raises
        :class:`CommandError` when the program cannot be started, does not end in time, or ends with a status that is
        not in ``expected``.
        """
        source = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            with _running(
                argv,
                stdin=subprocess.DEVNULL if source is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**_clean_environment(), **(env or {})},
                cwd=cwd,
            ) as process:
                stdout, stderr = process.communicate(source, timeout)
        except subprocess.TimeoutExpired as error:
            raise CommandError(
                f"Cannot finish {argv[0]!r}: no end after {timeout:g} s",
                argv=list(argv),
                stderr=_text(error.stderr)[-LAST_WORDS:],
            ) from error
        completed = Completed(tuple(argv), process.returncode, _text(stdout), _text(stderr))
        _require_status(completed, expected)
        return completed


@contextlib.contextmanager
def output_of(argv: Sequence[str], *, stdin: IO[bytes]) -> Iterator[IO[bytes]]:
    """Run a program and give what it writes, as it writes it; it is to be read to its end.

    The program ends with the block, however that ends. Raises :class:`CommandError` as :class:`CommandRunner` does.
    """
    pipe = subprocess.PIPE
    with _running(argv, stdin=stdin, stdout=pipe, stderr=pipe, env=_clean_environment()) as process:
        yield process.stdout  # type: ignore[misc] # a pipe, as was asked for
        words = process.communicate()[1]
    _require_status(Completed(tuple(argv), process.returncode, "", _text(words)), (0,))


@contextlib.contextmanager
def _running(argv: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, which ends with the block, however that ends."""
    with postponing_signals() as resume:
        try:
            process = subprocess.Popen(list(argv), **options)  # noqa: S603 - an argument list, never a shell
        except FileNotFoundError as error:
            raise CommandError(
                f"Cannot run {argv[0]!r}: {error.strerror or 'not found'}",
                hint="Install the package that holds it",
                argv=list(argv),
            ) from error
        except OSError as error:
            raise CommandError(f"Cannot run {argv[0]!r}: {error.strerror}", argv=list(argv)) from error
        with process:
            try:
                resume()
                yield process
            except BaseException:
                process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=LAST_BREATH)  # those that it has started hold its pipes until they end
                raise


def _require_status(completed: Completed, expected: tuple[int, ...]) -> None:
    if completed.status not in expected:
        last = completed.stderr.strip().splitlines()
        raise CommandError(
            f"Cannot finish {completed.argv[0]!r}: exit status {completed.status}{': ' + last[-1] if last else ''}",
            argv=list(completed.argv),
            rc=completed.status,
            stderr=completed.stderr[-LAST_WORDS:],
            stdout=completed.stdout[-LAST_WORDS:],
        )


def _clean_environment() -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/root")}


def attach(argv: Sequence[str]) -> int:
    """Run a program with this process's standard streams and return its exit status, 128 and more for a signal.

    The terminal's interrupts are the program's affair. Raises :class:`CommandError` when it cannot be started.
    """
    with _running(argv) as process:
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        status = process.wait()
    return status if status >= 0 else 128 - status


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")
