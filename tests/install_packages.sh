#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Install those of the Debian packages listed in FILE (one a line, # comments) that are missing. Starts no daemon.
set -eu

file=$1
policy=/usr/sbin/policy-rc.d
mark='# perceus.cluster: start nothing while the packages of its tests are installed'

packages=$(sed 's/#.*//' "$file")
missing=
for package in $packages; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

# An administrator's own policy stays; one of ours, even from a run that was killed, goes.
if [ ! -e "$policy" ] || grep -qxF "$mark" "$policy"; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
fi

echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update </dev/null
# shellcheck disable=SC2086 # a list of package names
apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing </dev/null
