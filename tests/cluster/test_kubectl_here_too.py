"""What kubectl finds on the embedded API it finds on a real one: the same tests, the other server."""

from unit.apiserver.test_kubectl import *  # noqa: F403
from unit.apiserver.test_kubectl import _definition  # noqa: F401 (a fixture)
