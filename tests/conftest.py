"""What holds for every test: on CI, hypothesis draws the same examples each time, so that a run says something about the change.

Elsewhere it draws new ones; what it finds becomes a case of its own beside the property.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
