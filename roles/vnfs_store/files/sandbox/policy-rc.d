#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Mounted over /usr/sbin/policy-rc.d inside a VNFS: nothing is started there (101 = action forbidden).
exit 101
