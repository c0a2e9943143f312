# SPDX-License-Identifier: GPL-3.0-or-later
"""What has a running node take its secrets: a program for its shell, and the archive that it reads."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

from .secret import Secret

# Arguments: for each secret its file, owner:group, mode, place and units; the archive on standard input has its content
# under its number. What is in memory lies on a ramfs, as a tmpfs may be swapped. Units of which a restart failed are
# still pending for the next run; files that were given before and are not now are taken away.
TAKE = """set -eu
umask 077
store=/run/perceus/secrets
grep -q " $store ramfs " /proc/mounts || {
    mkdir -p "$store"
    mount -t ramfs -o mode=0755 perceus-secrets "$store"
}
cd "$store"
rm -rf .new
mkdir .new
tar --extract --file=- --directory=.new --no-same-owner --no-same-permissions
: > .now
touch .given .pending
number=0
while [ $# -gt 0 ]; do
    file=$1 new=.new/$number place=$4 units=$5
    chown "$2" "$new"
    chmod "$3" "$new"
    shift 5
    number=$((number + 1))
    cmp -s "$new" "$file" || printf '%s\\n' $units >> .pending
    (umask 022 && mkdir -p "${file%/*}" "$store${file%/*}")
    if [ "$place" = memory ]; then
        mv -fT "$new" "$store$file"
        [ "$(readlink "$file" || :)" = "$store$file" ] || ln -sfT "$store$file" "$file"
    else
        cp --preserve=mode,ownership "$new" "$file.perceus-new"
        mv -fT "$file.perceus-new" "$file"
        rm -f "$store$file"
    fi
    printf '%s\\n' "$file" >> .now
    grep -qxF "${file#/}" ../overlay 2> /dev/null || printf '%s\\n' "${file#/}" >> ../overlay
done
rm -rf .new
grep -vxFf .now .given | while IFS= read -r file; do
    rm -f "$file" "$store$file"
done
mv .now .given
sort -u .pending | grep . > .restart || :
while IFS= read -r unit; do
    systemctl restart -- "$unit" < /dev/null
done < .restart
rm .pending .restart
"""


def build_command(secrets: Sequence[Secret]) -> list[str]:
    """Return the command that takes :func:`pack_contents`; nothing in it is secret."""
    words = (
        (secret.file, f"{secret.owner}:{secret.group}", secret.mode, secret.place, " ".join(secret.restart))
        for secret in secrets
    )
    return ["sh", "-c", TAKE, "sh", *(word for of_one in words for word in of_one)]


def pack_contents(secrets: Sequence[Secret]) -> bytes:
    """Return the archive of the secrets' contents."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number, secret in enumerate(secrets):
            member = tarfile.TarInfo(str(number))
            member.size = len(secret.content)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(secret.content))
    return packed.getvalue()
