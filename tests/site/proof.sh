#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the role site leaves on a host, told by the host's own programs.
set -e
getent group research
getent passwd alice
stat --format '%n %A %U:%G %F' /srv/site /usr/local/bin/site-hello /etc/site-agent.conf /srv/site/*.tar.gz
cat /etc/site-agent.conf
sha256sum /usr/local/bin/site-hello /srv/site/site-hello
grep SITE /etc/profile
readlink /etc/localtime
dpkg-query --show site-agent
systemctl is-enabled site-agent.service
systemctl is-enabled fstrim.timer || true
site-hello
