"""A Prometheus server that watches one process: its own folder and port, asked over its HTTP API."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from proxy.demo.children import child

SCRAPED_EACH = 1  # seconds
_READY_WITHIN = 30.0  # seconds
_PATIENCE = 15.0  # seconds

Labels = dict[str, str]


class Prometheus:
    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self._base = base
        self._session = session

    async def ask(self, what: str, **parameters: str) -> Any:
        """The `data` of an answer of its API."""
        async with self._session.get(f"{self._base}/api/v1/{what}", params=parameters) as answer:
            content = await answer.json()
        assert content["status"] == "success", content
        return content["data"]

    async def now(self, expression: str) -> list[tuple[Labels, float]]:
        """An instant query: labels and value of each series."""
        found = (await self.ask("query", query=expression))["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    async def by(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """An instant query: the values of these labels -> value; the series must differ in them."""
        found = await self.now(expression)
        values = {tuple(metric.get(label, "") for label in labels): value for metric, value in found}
        assert len(values) == len(found), found
        return values

    async def history(self, selector: str) -> list[tuple[Labels, list[float]]]:
        """Every scrape's value of each series, in order."""
        found = (await self.ask("query", query=f"{selector}[1h]"))["result"]
        return [(each["metric"], [float(value) for _, value in each["values"]]) for each in found]

    async def has_scraped(self) -> None:
        """Waits for a scrape that began after this was called."""
        asked = time.time()
        async with asyncio.timeout(_PATIENCE):
            while not any(moment > asked for _, moment in await self.now("timestamp(segue_build_info)")):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def prometheus(operations: str, folder: Path) -> AsyncIterator[Prometheus]:
    """Scrapes the second port at `operations` for as long as the block runs."""
    file = folder / "prometheus.yaml"
    job = {"job_name": "segue", "static_configs": [{"targets": [operations.removeprefix("http://")]}]}
    # JSON is YAML.
    file.write_text(json.dumps({"global": {"scrape_interval": f"{SCRAPED_EACH}s"}, "scrape_configs": [job]}))
    command = (
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        "--web.listen-address=127.0.0.1:0",
    )
    async with child("Prometheus", *command) as running, aiohttp.ClientSession() as session:
        address, _ = await running.said(r'"Listening on" address=(\S+)', r"(ready to receive)", within=_READY_WITHIN)
        yield Prometheus(f"http://{address}", session)
