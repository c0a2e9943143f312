# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in a box: a master with systemd, a private switch and bare machines that boot from the network.

Everything of a lab lies in two network namespaces, one cgroup and one folder, all named after it; nothing touches the
host's own network. ``python -m lab --help`` lists the commands.
"""
