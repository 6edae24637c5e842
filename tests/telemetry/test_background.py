"""Work in the background: its failure is said when it happens, its end is not."""

import asyncio
import logging

import pytest

from proxy.telemetry.background import begin


async def test_a_failure_is_said_at_once(caplog: pytest.LogCaptureFixture):
    async def failing() -> None:
        raise ValueError("no such luck")

    task = begin(failing(), "following the store")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.ERROR, "asyncio")
    assert record.getMessage().startswith("following the store failed")
    assert "no such luck" in caplog.text


async def test_an_end_is_not(caplog: pytest.LogCaptureFixture):
    ended, cancelled = begin(asyncio.sleep(0), "short"), begin(asyncio.sleep(100), "long")
    await ended
    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert caplog.records == []
