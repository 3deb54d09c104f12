"""Ingest: frames of a socket -> messages that Kafka has confirmed, beside two loops that do half of it each.

`python -m benchmarks.ingest.run [--frames 500000] [--latency-seconds 20] [--rounds 3]`

The broker is the real one, the exchange a process that sends frames made beforehand; the gateway runs with all its
parts in this process. Baselines of the same run: receiving and decoding alone, producing alone (the same messages, the
same producer options). Of several rounds the median counts. Latency: from the moment the exchange writes a frame to the
broker's own time of append (whole milliseconds), at 5,000 frames a second.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import websocket
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.ingest.frame_exchange import FIRST_ID, wire_frame
from firehose_dagster.binance.frames import AggTrade, decode_frame
from firehose_dagster.binance.limits import MAX_FRAME_BYTES
from firehose_dagster.binance.websocket_frames import FrameReader
from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.gateway.pipeline import Pipeline
from firehose_dagster.gateway.producer_config import producer_config
from firehose_dagster.gateway.session import RECEIVE_BYTES
from firehose_dagster.gateway.trade_messages import from_frame
from firehose_dagster.local.broker import broker_answers, broker_command, prepare_broker
from firehose_dagster.local.java import java_executable
from firehose_dagster.local.ports import free_ports
from firehose_dagster.settings import Settings

SYMBOLS = tuple(f"S{number:02d}USDT" for number in range(20))
LATENCY_RATE = 5_000
BROKER_START_SECONDS = 60
GIVE_UP_SECONDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=500_000)
    parser.add_argument("--latency-seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firehose-ingest-") as home, _broker(Path(home)) as settings:
        rounds = [_round(settings, options.frames, number) for number in range(options.rounds)]
        latencies_ms = _latencies_ms(settings, options.latency_seconds)
    _report(rounds, latencies_ms, options)


@contextmanager
def _broker(home: Path) -> Iterator[Settings]:
    broker, controller = free_ports(2)
    settings = Settings(home=home, symbols=SYMBOLS, broker_port=broker, broker_controller_port=controller)
    java = java_executable()
    prepare_broker(settings, java)
    process = subprocess.Popen(broker_command(settings, java), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + BROKER_START_SECONDS
        while not broker_answers(settings):
            if time.monotonic() > deadline:
                raise TimeoutError("the broker did not start")
            time.sleep(0.2)  # between two looks at another process
        yield settings
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _exchange(frames: int, rate: float = 0) -> Iterator[int]:
    """The port of an exchange of its own process."""
    command = [sys.executable, "-m", "benchmarks.ingest.frame_exchange", "--symbols", ",".join(SYMBOLS)]
    process = subprocess.Popen(
        [*command, "--frames", str(frames), "--rate", str(rate)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _round(settings: Settings, frames: int, number: int) -> dict[str, float]:
    """Messages a second of each of the three."""
    with _exchange(frames) as port:
        figures = {
            "receive and decode": frames / _receive_seconds(port, frames),
            "produce": frames / _produce_seconds(settings, f"bare-{number}", frames),
            "gateway": frames / _gateway_seconds(settings, port, f"gateway-{number}", frames),
        }
    print(" ".join(f"{name}: {figure:,.0f}/s" for name, figure in figures.items()), file=sys.stderr)
    return figures


def _receive_seconds(port: int, frames: int) -> float:
    connection = websocket.WebSocket()
    connection.connect(f"ws://127.0.0.1:{port}/stream")  # type: ignore[no-untyped-call]  # library's own
    assert connection.sock is not None
    feed, received = FrameReader(MAX_FRAME_BYTES).feed, 0
    started = time.perf_counter()
    while received < frames:
        for _, payload in feed(connection.sock.recv(RECEIVE_BYTES)):
            assert isinstance(decode_frame(payload), AggTrade)
            received += 1
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def _produce_seconds(settings: Settings, topic: str, frames: int) -> float:
    _create(settings, topic)
    messages = _messages(min(frames, 50_000))
    producer = Producer({**producer_config(settings, lambda _: None), "delivery.report.only.error": True})
    encode = msgspec.json.Encoder().encode
    started = time.perf_counter()
    for number in range(frames):
        message = messages[number % len(messages)]
        while True:
            try:
                producer.produce(topic, encode(message), message.symbol)
                break
            except BufferError:
                producer.poll(0.01)
    assert producer.flush(60) == 0
    return time.perf_counter() - started


def _messages(count: int) -> list[AggTradeMessage]:
    messages = []
    for number in range(count):
        turn, place = divmod(number, len(SYMBOLS))
        now_us = time.time_ns() // 1_000
        trade = decode_frame(wire_frame(SYMBOLS[place], FIRST_ID + turn, now_us)[4:])
        assert isinstance(trade, AggTrade)
        messages.append(from_frame(trade, now_us))
    return messages


def _gateway_seconds(settings: Settings, port: int, topic: str, frames: int) -> float:
    """From the first trade to the last confirmation."""
    _create(settings, topic)
    with _gateway(settings, port, topic) as pipeline:
        while not _trades(pipeline):
            time.sleep(0.001)  # between two looks at another process
        started, before = time.perf_counter(), _trades(pipeline)
        publisher = pipeline.publisher
        assert publisher is not None
        deadline = started + GIVE_UP_SECONDS
        while _trades(pipeline) < frames or publisher.outstanding:
            pipeline.poll()
            time.sleep(0.005)  # between two looks at another process
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{_trades(pipeline)} of {frames} trades, {publisher.outstanding} unconfirmed")
        seconds = time.perf_counter() - started
        assert pipeline.healer is not None
        assert (pipeline.healer.gaps_found, publisher.lost) == (0, 0)
    return seconds * frames / (frames - before)


@contextmanager
def _gateway(settings: Settings, port: int, topic: str) -> Iterator[Pipeline]:
    halt = threading.Event()
    urls = {"exchange_ws_url": f"ws://127.0.0.1:{port}", "exchange_rest_url": f"http://127.0.0.1:{port}"}
    pipeline = Pipeline(settings.model_copy(update={**urls, "topic": topic}), halt)
    pipeline.prepare()
    threads = [threading.Thread(target=loop) for loop in pipeline.loops()]
    for thread in threads:
        thread.start()
    try:
        yield pipeline
    finally:
        halt.set()
        for thread in threads:
            thread.join()
        pipeline.flush()
        pipeline.close()


def _trades(pipeline: Pipeline) -> int:
    return sum(connection.counts.trades for connection in pipeline.connections)


def _create(settings: Settings, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    config = {"message.timestamp.type": "LogAppendTime"}
    admin.create_topics([NewTopic(topic, num_partitions=settings.topic_partitions, config=config)])[topic].result(30)


class _Sent(msgspec.Struct):
    event_time: int


def _latencies_ms(settings: Settings, seconds: int) -> list[float]:
    frames, topic = LATENCY_RATE * seconds, "latency"
    _create(settings, topic)
    with _exchange(frames, LATENCY_RATE) as port, _gateway(settings, port, topic) as pipeline:
        while _trades(pipeline) < frames:
            pipeline.poll()
            time.sleep(0.1)  # between two looks at another process
    decode = msgspec.json.Decoder(_Sent).decode
    found: list[float] = []
    for sent, (_, appended_ms) in _records(settings, topic):
        found.append(appended_ms - decode(sent).event_time / 1_000)
    # The first second starts threads and connections.
    return found[LATENCY_RATE:]


def _records(settings: Settings, topic: str) -> Iterator[tuple[bytes, tuple[int, int]]]:
    consumer = Consumer(
        {"bootstrap.servers": settings.bootstrap_servers, "group.id": "ingest", "enable.partition.eof": True}
    )
    partitions = range(settings.topic_partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    open_partitions = set(partitions)
    while open_partitions:
        for message in consumer.consume(1_000, timeout=1):
            error, partition = message.error(), message.partition()
            if error is None:
                yield message.value() or b"", message.timestamp()
            elif error.code() == KafkaError._PARTITION_EOF and partition is not None:
                open_partitions.discard(partition)
    consumer.close()


def _report(rounds: list[dict[str, float]], latencies_ms: list[float], options: argparse.Namespace) -> None:
    median = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
    slower = min(median["receive and decode"], median["produce"])
    cuts = statistics.quantiles(latencies_ms, n=100)
    print(f"{platform.machine()}, {options.frames:,} frames, median of {options.rounds} rounds, {len(SYMBOLS)} symbols")
    for name, figure in median.items():
        print(f"  {name:20} {figure:>10,.0f} a second")
    print(f"  gateway / slower of the two: {median['gateway'] / slower:.2f}")
    print(f"  added at {LATENCY_RATE:,} a second: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
    figures = {
        "messages_per_second": round(median["gateway"]),
        "receive_decode_per_second": round(median["receive and decode"]),
        "produce_per_second": round(median["produce"]),
        "ratio_to_slower_baseline": round(median["gateway"] / slower, 3),
        "added_p50_ms": round(cuts[49], 1),
        "added_p99_ms": round(cuts[98], 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
