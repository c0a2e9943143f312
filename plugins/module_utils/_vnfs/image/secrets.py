# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that must not get into an image, which whoever reaches the master's web server can read.

A file is judged by its name and the beginning of its content; what is found is named by its kind, never shown. The
expressions have bounds, so that no file of a tree takes them long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .patterns import compile_patterns

# A key, not the words in the program that reads keys: RFC 7468, also as a string in JSON; RFC 9580; PuTTY's own.
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr]){1,16}"
    rb"(?:(?:[A-Za-z-]{1,32}: [^\n\\]{0,256}(?:\n|(?:\\r)?\\n)){1,16}(?:\s|\\[nr]){0,16})?"
    rb"(?:[A-Za-z0-9+/=](?:\s|\\[nr]){0,16}){48}"
)
_PUTTY_KEY = b"PuTTY-User-Key-File-"
_PUTTY_PRIVATE = re.compile(rb"^Private-Lines: \d", re.MULTILINE)
_HASH = re.compile(rb"\$[^:]+|_?[./0-9A-Za-z]{13,19}")  # crypt(5)
_URL_PASSWORD = re.compile(rb"://[^\s/:@\"']*:(?![$<{])[^\s/@\"']+@")
_COMMENT = (b"#", b"//", b";")
_CONF_PASSWORD = re.compile(rb"^[ \t]*(?:proxy_)?password[ \t]*=[ \t]*[^\s#$<({\"']", re.MULTILINE)
_NETRC_PASSWORD = re.compile(rb"^(?![ \t]*#).*\bpassword\s+\S", re.MULTILINE)
_KEYTAB_MAGIC = (b"\x05\x01", b"\x05\x02")


@dataclass(frozen=True)
class Secret:
    """A file that holds one, and of what kind."""

    name: str
    kind: str


@dataclass(frozen=True)
class Detector:
    """Knows a secret. ``root_hash`` is the hash of root's password that the operator wants in the image, or empty."""

    root_hash: str = ""

    def __call__(self, name: str, content: bytes) -> str | None:
        """Return the kind of secret that the file of this name, relative to the root, holds; ``content`` is its
        beginning.
        """
        rule = _NAMES.match(name, is_folder=False)
        kind = _RULES[rule](self, content) if rule else None
        return kind or _find_private_key(content)

    def find_hash(self, content: bytes) -> str | None:
        for line in content.splitlines():
            user, found = [*line.split(b":", 2), b""][:2]
            found = found.lstrip(b"!*")
            if _HASH.fullmatch(found) and (user, found) != (b"root", self.root_hash.encode()):
                return "password hash"
        return None


def _find_private_key(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    found = b"PRIVATE KEY" in content and _PRIVATE_KEY.search(content)
    found = found or (_PUTTY_KEY in content and _PUTTY_PRIVATE.search(content))
    return "private key" if found else None


def _find_keytab(_detector: Detector, content: bytes) -> str | None:
    return "keytab" if content.startswith(_KEYTAB_MAGIC) else None


def _find_munge_key(_detector: Detector, content: bytes) -> str | None:
    return "munge key" if content else None


def _find_url_password(_detector: Detector, content: bytes) -> str | None:
    lines = (line for line in content.splitlines() if b"://" in line and not line.lstrip().startswith(_COMMENT))
    return "password" if any(map(_URL_PASSWORD.search, lines)) or _CONF_PASSWORD.search(content) else None


def _find_netrc_password(_detector: Detector, content: bytes) -> str | None:
    return "password" if _NETRC_PASSWORD.search(content) else None


_RULES: dict[str, Callable[[Detector, bytes], str | None]] = {
    **dict.fromkeys(("/etc/shadow", "/etc/gshadow"), Detector.find_hash),
    **dict.fromkeys(("/etc/munge/munge.key",), _find_munge_key),
    **dict.fromkeys(("/**/*keytab*",), _find_keytab),
    **dict.fromkeys(("/**/.netrc", "/etc/apt/auth.conf", "/etc/apt/auth.conf.d"), _find_netrc_password),
    **dict.fromkeys(
        (
            *("/etc/apt", "/etc/dnf", "/etc/yum", "/etc/yum.conf", "/etc/yum.repos.d", "/etc/zypp"),
            *("/etc/environment", "/etc/environment.d", "/etc/profile", "/etc/profile.d", "/etc/bash.bashrc"),
            *("/etc/systemd", "/etc/wgetrc", "/etc/curlrc", "/etc/gitconfig"),
            *("/**/pip.conf", "/**/.git-credentials", "/**/.wgetrc", "/**/.curlrc", "/**/.bashrc", "/**/.profile"),
        ),
        _find_url_password,
    ),
}
_NAMES = compile_patterns(_RULES)
RULES = (
    *_RULES,
    *(
        pattern.pattern.decode()
        for pattern in (_PRIVATE_KEY, _PUTTY_PRIVATE, _HASH, _URL_PASSWORD, _CONF_PASSWORD, _NETRC_PASSWORD)
    ),
)
