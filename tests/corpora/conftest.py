"""What the tests of raw files share."""

import pytest


@pytest.fixture
def online(monkeypatch):
    """An environment that allows downloads and has no proxy, token or other hub."""
    proxies = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    for name in ("HF_HUB_OFFLINE", "FINESCALE_OFFLINE", "HF_TOKEN", "HF_ENDPOINT", *proxies):
        monkeypatch.delenv(name, raising=False)
