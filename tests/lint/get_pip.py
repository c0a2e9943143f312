# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip.py that ansible-test downloads: installs pip from the wheel beside this file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

(wheel,) = Path(os.environ["GET_PIP"]).resolve().parent.glob("pip-*.whl")
sys.path.insert(0, str(wheel))

from pip._internal.cli.main import main  # noqa: E402 - importable only now

arguments = [argument for argument in sys.argv[1:] if argument not in {"--no-setuptools", "--no-wheel"}]
sys.exit(main(["install", "--upgrade", "--force-reinstall", *arguments]))
