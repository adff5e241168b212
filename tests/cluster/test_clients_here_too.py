"""What clients find on the embedded API they find on a real one: the same tests, the other server."""

from unit.apiserver.test_clients import *  # noqa: F403
from unit.apiserver.test_clients import _definition  # noqa: F401 (a fixture)

# A real server waits for a version of the future to come; how it says Gone is tested by compaction (test_trouble.py).
del test_asyncio_client_gets_410_for_a_version_of_another_life  # noqa: F821
