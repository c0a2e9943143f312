# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
from datetime import datetime, timezone

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.declare import Known, Means


@pytest.fixture
def means(config: ClusterConfig) -> Means:
    """A cluster with the VNFSs ``debian`` and ``rocky-9``, and the overlay ``greeting``; machine ids count up."""
    ids = (f"{number:032x}" for number in itertools.count(1))
    return Means(
        config,
        Known({"debian", "rocky-9"}, {"greeting"}),
        datetime(2030, 1, 1, tzinfo=timezone.utc),
        lambda: next(ids),
    )
