# SPDX-License-Identifier: GPL-3.0-or-later
"""How a node applies a delta: it fetches and unpacks it aside, and its own rsync puts file by file in place."""

from __future__ import annotations

from collections.abc import Sequence

from .deltas import Archive
from .rsync import build_options

REFUSED = 75  # the exit status when nothing was touched, as EX_TEMPFAIL of sysexits.h

# What is mounted here only this script and its programs see: it goes when they have ended, however they do.
# The rules of rsync come by standard input. Its own words come after the first four arguments.
_APPLY = """set -eu
url=$1 sha256=$2 generation=$3 deleting=$4
shift 4
refuse() {
    echo "$*" >&2
    exit 75
}
aside=/run/perceus/delta
mkdir -p "$aside"
exec 9< "$aside"
flock --nonblock 9 || { echo "another livesync is at work on it" >&2; exit 1; }
available=$(sed -n 's/^MemAvailable: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo)
mount -t tmpfs -o "mode=0700,size=$((available / 3))k" perceus-delta "$aside"
cd "$aside"
cat > rules
said=$(curl --fail --silent --show-error --noproxy '*' --connect-timeout 10 --speed-limit 1024 --speed-time 30 \\
    --output archive "$url" 2>&1) || refuse "$said"
got=$(sha256sum < archive)
[ "${got%% *}" = "$sha256" ] || refuse "the delta's SHA-256 is ${got%% *}, wanted is $sha256"
said=$(tar --extract --zstd --file=archive --preserve-permissions --same-owner --numeric-owner --xattrs \\
    '--xattrs-include=*' --warning=no-timestamp 2>&1) && [ -z "$said" ] || refuse "cannot unpack the delta: $said"
rm archive
if [ -d attributes ]; then
    "$@" --dry-run --size-only --existing attributes/ / > sent
    ! grep -q '^[<>c]f' sent || refuse "it has drifted"
fi
[ "$generation" = - ] || echo "$generation" > /run/perceus/livesync
for part in libraries files; do
    [ ! -d "$part" ] || "$@" --ignore-times "$part/" /
done
[ ! -d attributes ] || "$@" --size-only --existing attributes/ /
[ ! -d deletions ] || [ "$deleting" = no ] || "$@" --files-from=deleted --delete-missing-args deletions/ /
"""


def build_apply_argv(archive: Archive, generation: str, *, delete: bool, dry_run: bool, timeout: int) -> list[str]:
    """Return what makes ``generation`` of the node that runs it, and reads filter rules, each ended by a NUL.

    It ends with :data:`REFUSED` when it touched nothing, and says why. Libraries are in place before what is linked to
    them, and what goes goes last. A file is sent anew even if size and time are right, as its content is not.
    ``timeout`` is in seconds.
    """
    target = "-" if dry_run else generation
    return [
        *("timeout", "--kill-after=5", str(timeout), "unshare", "--mount", "--", "sh", "-c", _APPLY, "sh"),
        *(archive.url, archive.sha256, target, "yes" if delete else "no"),
        *("rsync", *build_options(dry_run=dry_run), "--force", "--from0", "--filter=merge rules"),
    ]


def join_rules(rules: Sequence[str]) -> str:
    """Return filter rules as the node reads them."""
    return "".join(f"{rule}\0" for rule in rules)
