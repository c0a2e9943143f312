# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module ``vnfs`` that say where a tree comes from, one for each source."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  mmdebstrap:
    description:
      - Build a new tree of Debian, or of a distribution made from it. This is what happens by default.
    type: dict
    suboptions:
      suite:
        description: The distribution's suite, such as V(bookworm) or V(noble). By default the master's own.
        type: str
      distribution:
        description:
          - One of V(debian), V(ubuntu) and V(linuxmint). By default the master's own.
          - One other than the master's needs O(mmdebstrap.mirror), and its keyring on the master.
        type: str
      mirror:
        description:
          - The archive to take packages from.
          - By default the master's own apt sources, with the suite in the place of the master's suite.
        type: str
      keyring:
        description:
          - A file on the master with the keys that sign the archive. It gets into the tree under the same name.
          - apt reads it as another user, so that everyone must be able to.
          - By default C(/usr/share/keyrings/DISTRIBUTION-archive-keyring.gpg).
        type: str
      components:
        description: The archive's components. By default V(main), for Ubuntu also V(universe).
        type: list
        elements: str
      variant:
        description:
          - How much of the distribution is in the tree before O(packages).
          - One of V(apt), V(minbase), V(buildd), V(important) and V(standard). By default V(minbase).
        type: str
      extra_sources:
        description: Lines of sources.list(5), for more archives.
        type: list
        elements: str
      setup_hooks:
        description:
          - Shell commands that mmdebstrap runs as root on the master before anything is there. C($1) is the tree.
        type: list
        elements: str
      extract_hooks:
        description: The same, once the essential packages are unpacked.
        type: list
        elements: str
      essential_hooks:
        description: The same, once the essential packages are installed.
        type: list
        elements: str
      customize_hooks:
        description: The same, once all packages are installed.
        type: list
        elements: str
  dnf:
    description: Build a new tree of the Enterprise Linux family, release 9 or later, by the master's dnf.
    type: dict
    suboptions:
      release:
        description: The distribution's release, such as V(9).
        type: str
      repositories:
        description:
          - Where packages come from, now and when O(packages) grows. Nothing else that the master's dnf knows counts.
          - Streams of modules make no difference between packages.
        type: list
        elements: dict
        suboptions:
          name:
            description: A short name.
            type: str
            required: true
          baseurl:
            description: Its URL, C(http), C(https) or C(file). It may have C($releasever) and C($basearch).
            type: str
            required: true
          gpgkey:
            description: The URL of the key that signs its packages, C(file) for one on the master.
            type: str
          gpgcheck:
            description: Whether packages must be signed.
            type: bool
            default: true
  oci:
    description:
      - Take the tree of a container image.
      - What a node needs and a container lacks comes by the package manager in it.
    type: dict
    suboptions:
      image:
        description:
          - C(docker://REGISTRY/NAME:TAG) for one in a registry, C(oci:FOLDER:TAG) for one in a folder on the master.
          - The logins of root's C(skopeo login) are used.
        type: str
      digest:
        description:
          - The digest of its manifest, C(sha256:HEX). C(skopeo inspect) says it.
          - It must be given. A tag may be another image tomorrow.
        type: str
  archive:
    description: Unpack a tar archive on the master, plain or compressed by gzip, xz or zstd.
    type: dict
    suboptions:
      file:
        description: The archive.
        type: str
      checksum:
        description: Its checksum, C(sha256:HEX).
        type: str
      unverified:
        description: Unpack it although there is no checksum. This is said aloud, and remembered.
        type: bool
      devices:
        description: Whether it may have device nodes.
        type: bool
  capsule:
    description:
      - Take the tree from a capsule, a file that M(perceus.cluster.vnfs_capsule) has exported, and configure it for
        this master.
    type: dict
    suboptions:
      file:
        description: The capsule, a file on the master.
        type: str
      checksum:
        description: Its checksum, C(sha256:HEX).
        type: str
      unverified:
        description: Take it although there is no checksum. This is said aloud, and remembered.
        type: bool
      devices:
        description: Whether it may have device nodes.
        type: bool
  folder:
    description: Copy a folder on the master, with all metadata. What is mounted in it is refused.
    type: dict
    suboptions:
      root:
        description: The folder that is to become the root.
        type: str
  clone:
    description:
      - Copy the tree of another VNFS as it is now. No block is copied where the file system can share it.
      - A new VNFS also takes over its packages and options, as far as they are not given.
    type: dict
    suboptions:
      vnfs:
        description: The other VNFS.
        type: str
  node:
    description:
      - Copy the root file system of a running machine, without what is mounted in it, over ssh by the master's own key.
      - That machine needs rsync. Its identity gets into no image.
    type: dict
    suboptions:
      host:
        description: A node's name, or with O(node.host_key) the IPv4 address of any machine.
        type: str
      host_key:
        description: The public ssh key of a machine that is no node, as C(ssh-ed25519 AAAA...).
        type: str
      exclude:
        description: Patterns of names that are not copied, of the same form as in O(exclude).
        type: list
        elements: str
"""
