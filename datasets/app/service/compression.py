"""Compresses bodies with gzip from a size on, and measures sizes and processor time."""

import gzip
import time

from datasets.app.service import metrics, settings


def body_and_headers(body, accepts_gzip):
    """Returns the body to send and its further headers."""
    if settings.on("compress_nothing") or not accepts_gzip or len(body) < settings.COMPRESS_FROM or not body:
        return body, []
    start = time.thread_time()
    packed = gzip.compress(body, settings.COMPRESS_LEVEL)
    metrics.COMPRESSION_SECONDS.observe(time.thread_time() - start)
    metrics.COMPRESSED.labels("in").inc(len(body))
    metrics.COMPRESSED.labels("out").inc(len(packed))
    return packed, [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]


class Measured:
    """ASGI middleware: counts and times requests by route, and compresses their bodies."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] == "/metrics":
            return await self.app(scope, receive, send)
        start, first, parts, status = time.perf_counter(), None, [], 500
        gzip_accepted = any(k == b"accept-encoding" and b"gzip" in v for k, v in scope["headers"])

        async def collect(message):
            nonlocal first, status
            if message["type"] == "http.response.start":
                first, status = message, message["status"]
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(parts)
            kind = next((v.decode() for k, v in first["headers"] if k == b"content-type"), "").partition(";")[0]
            metrics.RESPONSE_BYTES.labels(_route(scope), kind).observe(len(body))
            body, further = body_and_headers(body, gzip_accepted)
            headers = [(k, v) for k, v in first["headers"] if k != b"content-length"]
            headers += [(b"content-length", str(len(body)).encode()), *further]
            await send({**first, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        metrics.IN_FLIGHT.inc()
        try:
            await self.app(scope, receive, collect)
        finally:
            metrics.IN_FLIGHT.dec()
            metrics.DURATION.labels(_route(scope)).observe(time.perf_counter() - start)
            metrics.REQUESTS.labels(_route(scope), scope["method"], str(status)).inc()


def _route(scope):
    """Returns the template of the route that answered; `unknown` for paths without one."""
    route = scope.get("route")
    return getattr(route, "path", "unknown")
