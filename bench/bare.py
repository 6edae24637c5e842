"""The yardstick: a pass-through proxy of aiohttp's server and client, nothing else. It forwards bytes and parses none.

It does what a careful author would do for speed (uvloop, no access log, no limits, one write for an answer of known
length), because Segue's figures are ratios to it.
"""

import argparse
import asyncio

import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"})
_NOT_FORWARDED = _HOP_BY_HOP | {"host", "content-length"}
_LARGEST_BODY = 64 * 1024 * 1024


def _forwarded(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _NOT_FORWARDED)


class BareProxy:
    """Forwards every request to one upstream address."""

    def __init__(self, session: ClientSession, upstream: str) -> None:
        self._session = session
        self._upstream = upstream

    async def forward(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        url = self._upstream + request.raw_path
        headers = _forwarded(request.headers)
        async with self._session.request(request.method, url, headers=headers, data=body or None) as upstream:
            if upstream.content_length is not None:
                whole = await upstream.read()
                return web.Response(status=upstream.status, headers=_forwarded(upstream.headers), body=whole)
            response = web.StreamResponse(status=upstream.status, headers=_forwarded(upstream.headers))
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


async def serve(port: int, upstream: str) -> None:
    """Listen on loopback and forward until killed."""
    async with ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=60),
        timeout=ClientTimeout(total=None),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
    ) as session:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", BareProxy(session, upstream).forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bare", description="The bare pass-through proxy.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="the address to forward to, without a path")
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.port, arguments.upstream))


if __name__ == "__main__":
    main()
