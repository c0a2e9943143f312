#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by dracut's init just before it hands over: /run moves into the node, dracut's part of it must not.

rm -rf /run/initramfs
