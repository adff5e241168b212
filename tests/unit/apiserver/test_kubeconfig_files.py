"""Files that are no kubeconfig end in our own error, whatever the library makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiError


@pytest.mark.parametrize("content", ["", "- a list", "{unclosed", "just words", "clusters: 7\n", None])
async def test_file_that_is_no_kubeconfig_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ApiError, match="no usable kubeconfig"):
        await KubeClient.connect(str(path))
