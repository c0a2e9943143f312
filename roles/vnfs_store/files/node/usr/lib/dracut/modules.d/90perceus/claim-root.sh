#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by dracut's init, which insists on a root= that somebody knows.
# shellcheck disable=SC2034

root=perceus
rootok=1
