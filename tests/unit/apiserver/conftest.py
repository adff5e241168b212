"""One server process for all tests of a module."""

from collections.abc import Iterator

import pytest

from unit.apiserver.servers import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("api")) as running:
        yield running
