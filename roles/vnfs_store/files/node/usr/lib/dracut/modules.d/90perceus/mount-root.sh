#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by dracut's init until $NEWROOT is mounted.

perceus-root
