# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of images: over SHA256SUMS, by an ssh key of the site's, in the form of ssh-keygen(1), ``-Y sign``."""

from __future__ import annotations

from pathlib import Path

from ..._errors import PerceusError
from ..._files import write_atomically
from ..._process import Runner

SUMS = "SHA256SUMS"
SIGNATURE = f"{SUMS}.sig"
NAMESPACE = "perceus-image"  # no signature for another purpose counts, and this one for no other


def load_signer(key: str) -> str:
    """Return the line of ``allowed_signers``, see ssh-keygen(1), for the private key in this file, of which the public
    half lies beside it; nothing for no key.
    """
    if not key:
        return ""
    public = Path(f"{key}.pub")
    try:
        kind, blob = public.read_text(encoding="ascii").split()[:2]
    except (OSError, ValueError) as error:
        raise PerceusError(
            f"Cannot sign images by {key!r}: {str(public)!r} is no public key ({error})",
            hint=f"Make a key: ssh-keygen -t ed25519 -N '' -f {key}",
        ) from error
    return f'{NAMESPACE} namespaces="{NAMESPACE}" {kind} {blob}\n'


def sign_image(image: Path, key: str, *, runner: Runner) -> None:
    """Sign the checksums of a generation, unless there is no key."""
    if key:
        sums = (image / SUMS).read_bytes()
        signed = runner(["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", key], stdin=sums)
        write_atomically(image / SIGNATURE, signed.stdout)
