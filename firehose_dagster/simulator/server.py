"""Runs the exchange: WebSocket, REST and admin on one port."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from firehose_dagster.errors import ExplainedError
from firehose_dagster.simulator.admin_endpoint import AdminEndpoint
from firehose_dagster.simulator.build import build_source
from firehose_dagster.simulator.fault_board import FaultBoard
from firehose_dagster.simulator.fault_endpoint import FaultEndpoint
from firehose_dagster.simulator.fault_kinds import LARGEST_FRAME_BYTES
from firehose_dagster.simulator.holed_source import HoledSource
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.simulator.publisher import Publisher, utc_now_us
from firehose_dagster.simulator.rest_endpoint import RestEndpoint
from firehose_dagster.simulator.rest_faults import RestFaults
from firehose_dagster.simulator.script_player import ScriptPlayer
from firehose_dagster.simulator.source import Source
from firehose_dagster.simulator.stream_faults import StreamFaults
from firehose_dagster.simulator.violations import Violations
from firehose_dagster.simulator.websocket_endpoint import WebSocketEndpoint
from firehose_dagster.simulator.weights import Weights

logger = logging.getLogger(__name__)


class ExchangePortError(ExplainedError):
    """The address cannot be listened on; the message names it and says what to do."""


def run_exchange(options: ExchangeOptions) -> None:
    """Serve until SIGTERM or SIGINT. Once listening, one line on standard output tells the URLs.

    Raises:
        SourceFileError: a file named in the options cannot be served.
        ExchangePortError: the port is taken or the host is not of this machine.
    """
    source = build_source(options, utc_now_us())
    asyncio.run(_serve_until_signalled(options, source))


async def _serve_until_signalled(options: ExchangeOptions, source: Source) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with exchange(options, source) as port:
        # Also printed: who starts this as a process with a free port reads the port from here.
        print(
            f"exchange listening: ws://{options.host}:{port} http://{options.host}:{port}/api/v3 "
            f"http://{options.host}:{port}/admin/status ({source.description})",
            flush=True,
        )
        await stopped.wait()
    logger.info("event=exchange_stopped")


@contextlib.asynccontextmanager
async def exchange(options: ExchangeOptions, source: Source) -> AsyncIterator[int]:
    """An exchange that serves while the context is open; yields its port."""
    holed = HoledSource(source)
    stream_faults, rest_faults, violations = StreamFaults(), RestFaults(utc_now_us), Violations()
    publisher = Publisher(holed, stream_faults)
    board = FaultBoard(holed, publisher, stream_faults, rest_faults)
    player = ScriptPlayer(board)
    weights = Weights(
        options.weight_per_minute,
        utc_now_us,
        violations,
        tolerated=options.limited_requests_tolerated,
        ban_seconds=options.ban_seconds,
        in_flight_seconds=options.requests_in_flight_seconds,
    )
    sockets = WebSocketEndpoint(publisher, options, violations)
    # The largest body is a frame to inject.
    app = web.Application(client_max_size=LARGEST_FRAME_BYTES)
    sockets.add_to(app)
    RestEndpoint(holed, weights, rest_faults).add_to(app)
    AdminEndpoint(holed, publisher, board, sockets, weights, violations).add_to(app)
    FaultEndpoint(board, player).add_to(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    publishing = None
    try:
        listening = _listen(options)
        await web.SockSite(runner, listening).start()
        publishing = asyncio.create_task(publisher.run())
        publishing.add_done_callback(_report_failure)
        port: int = listening.getsockname()[1]
        logger.info("event=exchange_listening host=%s port=%d source=%r", options.host, port, source.description)
        yield port
    finally:
        if publishing is not None:
            publishing.cancel()
        await player.close()
        await board.close()
        for client in tuple(publisher.clients):
            client.abort()
        await runner.cleanup()
        source.close()


def _listen(options: ExchangeOptions) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family, backlog=512)
    except OSError as error:
        raise ExchangePortError(
            f"cannot listen on {options.host}:{options.port}: {error.strerror or error}; "
            "choose another port, or 0 for a free one"
        ) from error


def _report_failure(publishing: "asyncio.Task[None]") -> None:
    if not publishing.cancelled() and (error := publishing.exception()) is not None:
        logger.critical("event=publisher_failed error=%r", error, exc_info=error)
        signal.raise_signal(signal.SIGTERM)
