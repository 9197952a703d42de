"""What the tests of BFCL share: the mark of those that need its package."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from grokputer.runners.environments.bfcl.package import INSTALL, PACKAGE

needs_bfcl = [
    pytest.mark.slow,  # not for its time, but because 'make test-all' installs the package first
    pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the package is not installed; run: {INSTALL}"),
]
