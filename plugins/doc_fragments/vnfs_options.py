# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module ``vnfs`` that say how its image is made, booted and kept."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kernel:
    description: The release of the kernel to boot, for a tree that has several. By default, or empty, the newest.
    type: str
  kernel_args:
    description: Kernel arguments for all nodes that boot the image, beside those of cluster and node.
    type: str
  compression:
    description:
      - How images are packed. V(fast), the default, takes seconds. V(small) takes minutes and saves about a tenth.
    type: str
    choices: [fast, small]
  root_mode:
    description:
      - How nodes hold the image. V(overlay), the default, is the packed image in RAM with a writable layer over it.
      - V(ram) is the unpacked image in RAM and nothing else, for programs that an overlay does not suit. It takes as
        much memory as the tree, and while the node boots that of the packed image too.
      - V(nfs) is as V(overlay), but the packed image stays on an NFS server, from which a node reads what it needs. The
        role P(perceus.cluster.nfs_server#role) makes the master one.
      - V(disk) is an installation on the node's disk, made once, from which the node boots from then on. See O(disk).
    type: str
    choices: [overlay, ram, nfs, disk]
  hybridize:
    description:
      - Patterns of names that are to leave the image for a second one, which nodes mount over NFS, as the role
        P(perceus.cluster.nfs_server#role) exports it. A node that boots while no server answers has a text in the place
        of each folder.
      - For O(root_mode=overlay) only.
    type: list
    elements: str
  exclude:
    description: Patterns of names that are in the tree but not in its images.
    type: list
    elements: str
  livesync_skip:
    description: Patterns of names that a livesync leaves alone on the nodes.
    type: list
    elements: str
  allow_secrets:
    description: Patterns of names that may be published though they look like a secret.
    type: list
    elements: str
  signing_key:
    description:
      - The file on the master with the private key that signs images, without a passphrase, and its public half beside
        it, as C(ssh-keygen -t ed25519) makes them. Nodes boot only what it has signed then. By default, or empty, none.
      - The tree needs OpenSSH 8.1 or later.
    type: str
  keep:
    description:
      - How many generations to keep, the new one included, by default 3. The oldest go, the served one never does.
    type: int
  disk:
    description:
      - How nodes are installed where O(root_mode=disk).
      - C(disks) is a list of one disk, or of two for a RAID 1, each said by conditions with commas between them. These
        are C(/dev/…), a name such as those in C(/dev/disk/by-id), C(serial=SERIAL), C(size=MIN-MAX) in GiB, and
        C(any), the default, which is the only disk that there is.
      - C(filesystem) is C(ext4), the default, or C(xfs). C(swap) and C(root) are sizes in MiB. By default there is no
        swap, and the root takes the whole disk. C(data) is a folder on which the rest is mounted.
    type: dict
  overrides:
    description:
      - Other C(kernel_args), C(livesync_skip) and C(disk) for groups and nodes, as C(groups) and C(nodes), each a
        dictionary of these options by name. A node's own come first, then its group's, then the VNFS's. What is not
        said in C(disk) is as for the VNFS.
      - They hold at once, without publishing.
    type: dict
"""
