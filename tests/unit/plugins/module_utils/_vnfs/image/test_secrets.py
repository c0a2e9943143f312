# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a secret and what is not. Keys are made here, so that none is in this repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.secrets import Detector
from hypothesis import given
from hypothesis import strategies as st

BEGIN = b"-----BEGIN "
HASH = "$y$j9T$salt$hash"
WORD = "pass" + "word"


def find(name: str, content: bytes | str) -> str | None:
    return Detector(root_hash=HASH)(name, content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize(
    "argv",
    [
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"],
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f"],
        ["ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f"],
        ["ssh-keygen", "-q", "-t", "rsa", "-m", "PKCS8", "-N", "", "-f"],
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out"],
        ["openssl", "genrsa", "-aes128", "-traditional", "-passout", "pass:a passphrase", "-out"],
    ],
)
def test_a_private_key_is_found_under_any_name(argv: list[str], tmp_path: Path) -> None:
    subprocess.run([*argv, str(tmp_path / "key")], check=True, capture_output=True)
    key = (tmp_path / "key").read_bytes()
    assert find("srv/any", key) == "private key"
    assert find("srv/any", b"words before\n" + key) == "private key"
    assert find("srv/any", key.replace(b"\n", b"\r\n")) == "private key"
    assert find("srv/any.json", b'{"key": "' + key.replace(b"\n", b"\\n") + b'"}') == "private key"
    if argv[0] == "ssh-keygen":
        assert find("srv/any.pub", (tmp_path / "key.pub").read_bytes()) is None


@pytest.mark.parametrize(
    "content",
    [
        BEGIN + b"PRIVATE KEY-----\0" + b"A" * 64,
        b"\0" + BEGIN + b"RSA PRIVATE KEY-----\n" + b"A" * 64,
        BEGIN + b"PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
        BEGIN + b"PUBLIC KEY-----\n" + b"A" * 64,
        b'if line == "' + BEGIN + b'PRIVATE KEY-----": raise ValueError\n',
    ],
)
def test_the_words_alone_are_no_key(content: bytes) -> None:
    assert find("usr/lib/libssl.so.3", content) is None


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("etc/krb5.keytab", b"\x05\x02\0\0", "keytab"),
        ("srv/http.keytab", b"\x05\x02\0\0", "keytab"),
        ("etc/keytab.txt", b"where keytabs lie", None),
        ("etc/munge/munge.key", b"0" * 128, "munge key"),
        ("etc/shadow", f"root:{HASH}:1::::::\ndaemon:*:1::::::\nann:!:1::::::\nben:!*:1::::::\ncat::1::::::\n", None),
        ("etc/shadow", "root:$6$other$hash:1::::::\n", "password hash"),
        ("etc/shadow", f"ann:{HASH}:1::::::\n", "password hash"),
        ("etc/shadow", "ann:!$6$locked$hash:1::::::\n", "password hash"),
        ("etc/shadow", "ann:abJnggxhB/yWI:1::::::\n", "password hash"),
        ("etc/gshadow", "adm:*::\nsudo:!::ann\n", None),
        ("etc/gshadow", "adm:$6$group$hash::\n", "password hash"),
        ("srv/shadow", "root:$6$other$hash:1::::::\n", None),
        ("etc/apt/apt.conf.d/90proxy", 'Acquire::http::Proxy "http://ann:pw@proxy:3128/";\n', "password"),
        ("etc/apt/apt.conf.d/90proxy", '// Acquire::http::Proxy "http://ann:pw@proxy:3128/";\n', None),
        ("etc/apt/apt.conf.d/90proxy", 'Acquire::http::Proxy "http://proxy:3128/";\n', None),
        ("etc/apt/sources.list.d/x.list", "deb https://ann:pw@archive.example.org/ x main\n", "password"),
        ("etc/apt/auth.conf", f"machine x login ann {WORD} pw\n", "password"),
        ("etc/yum.repos.d/x.repo", f"[x]\nusername=ann\n{WORD}=pw\n", "password"),
        ("etc/dnf/dnf.conf", f"[main]\nproxy_{WORD} = pw\n", "password"),
        ("etc/dnf/dnf.conf", f"[main]\n# proxy_{WORD} = pw\n", None),
        ("etc/environment", "https_proxy=http://ann:pw@proxy:3128\n", "password"),
        ("etc/profile.d/proxy.sh", "export http_proxy=http://$USER:$PW@proxy\n", None),
        ("etc/profile.d/proxy.sh", "export http_proxy='http://ann:pw@proxy'\n", "password"),
        ("root/.config/pip/pip.conf", "[global]\nindex-url = https://ann:pw@index.example.org/\n", "password"),
        ("root/.netrc", f"machine x\nlogin ann\n{WORD} pw\n", "password"),
        (".netrc", f"machine x login ann {WORD} pw\n", "password"),
        ("home/ann/.git-credentials", "https://ann:pw@git.example.org\n", "password"),
        ("srv/readme", "https://ann:pw@git.example.org\n", None),
    ],
)
def test_what_a_file_of_this_name_holds(name: str, content: str | bytes, kind: str | None) -> None:
    assert find(name, content) == kind


def test_a_long_file_that_is_almost_a_key_is_judged_at_once() -> None:
    for filler in (b"A: ", b"A: \n", b"\\n", b"A" * 40 + b"-\n", BEGIN):
        assert find("x", BEGIN + b"PRIVATE KEY-----\n" + filler * 20000) is None


@given(st.sampled_from(["etc/shadow", "etc/apt/apt.conf", "root/.netrc", "x.keytab", "x"]), st.binary())
def test_any_content_is_judged(name: str, content: bytes) -> None:
    find(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("srv/blanks", b"-----BEGIN PRIVATE KEY-----" + b" " * 2**20 + b"!"),
        ("srv/headers", b"-----BEGIN PRIVATE KEY-----\n" + b"A: -----BEGIN PRIVATE KEY-----\n" * 2**15),
        ("srv/words", b"-----BEGIN " + b"A " * 2**19),
        ("srv/putty", b"PuTTY-User-Key-File-2: " * 2**15),
        ("root/.bashrc", b"a" * 2**20),
        ("root/.bashrc", b"://a:" * 2**17),
        ("root/.netrc", b"password" + b"\n" * 2**20),
    ],
)
def test_no_file_keeps_the_scan_busy(name: str, content: bytes) -> None:
    """In linear time this is milliseconds; what is quadratic does not end while anybody waits."""
    assert Detector()(name, content) is None
