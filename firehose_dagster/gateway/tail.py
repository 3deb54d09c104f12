"""What the end of the topic holds, per symbol: where the last gateway stopped, and the holes it left."""

import logging
import threading
from collections.abc import Collection, Sequence

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from firehose_dagster.binance.gaps import HeldIds, IdRange
from firehose_dagster.gateway.backoff import backoff_seconds
from firehose_dagster.gateway.errors import TopicError
from firehose_dagster.gateway.passing_trouble import passes
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

BATCH_MESSAGES = 10_000
POLL_SECONDS = 1.0
WATERMARK_TIMEOUT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 5.0


class _TailMessage(msgspec.Struct, frozen=True, gc=False):
    """The three fields of a message that matter here."""

    symbol: str
    agg_id: int
    source: str


class SymbolTail:
    """The ids of one symbol in the tail, and the first of them that came live."""

    __slots__ = ("first_live", "held")

    def __init__(self) -> None:
        self.held = HeldIds()
        self.first_live: int | None = None

    def holes(self) -> list[IdRange]:
        """Ids that are surely not in the topic, between the first live id of the tail and the highest.

        Below the first live id nothing is known: ids there may stand before the tail, and rows in the tail are old ones
        that were healed. Above it everything was produced after it, so the tail shows it.
        """
        if self.first_live is None or self.held.highest is None:
            return []
        return self.held.missing(self.first_live, self.held.highest)


def read_tail(
    settings: Settings, partitions: Sequence[int], symbols: Collection[str], halt: threading.Event
) -> dict[str, SymbolTail]:
    """The last `gateway_tail_messages` of each partition, for the symbols given; nothing is committed.

    Symbols that are not in the tail are absent from the result. Waits for a broker that is away and for partitions
    that have no leader yet, until `halt` is set. Raises TopicError if the broker reports an error that does not pass by
    itself.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": "firehose-gateway-tail",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            # The end of a partition is told by a fetch that found nothing.
            "fetch.wait.max.ms": 50,
            "log_level": 2,
        }
    )
    wanted = frozenset(symbols)
    tails: dict[str, SymbolTail] = {}
    try:
        open_partitions = set(_assign_tail(consumer, settings, partitions, halt))
        messages_read = 0
        while open_partitions and not halt.is_set():
            for message in consumer.consume(BATCH_MESSAGES, timeout=POLL_SECONDS):
                error = message.error()
                if error is None:
                    messages_read += 1
                    note_message(tails, wanted, message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
                elif not passes(error):
                    raise TopicError(f"the tail of topic {settings.topic} cannot be read: {error.str()}")
    except KafkaException as error:
        raise TopicError(f"the tail of topic {settings.topic} cannot be read: {error.args[0].str()}") from error
    finally:
        consumer.close()
    logger.info("event=tail_read topic=%s messages=%d symbols=%d", settings.topic, messages_read, len(tails))
    return tails


def _assign_tail(consumer: Consumer, settings: Settings, partitions: Sequence[int], halt: threading.Event) -> list[int]:
    assignment: list[TopicPartition] = []
    for partition in partitions:
        place = TopicPartition(settings.topic, partition)
        watermarks = _watermarks(consumer, place, halt)
        if watermarks is None:
            return []
        low, high = watermarks
        if high > low:
            assignment.append(
                TopicPartition(settings.topic, partition, max(low, high - settings.gateway_tail_messages))
            )
    if assignment:
        consumer.assign(assignment)
    return [place.partition for place in assignment]


def _watermarks(consumer: Consumer, place: TopicPartition, halt: threading.Event) -> tuple[int, int] | None:
    """First offset and the one after the last, once the partition has a leader that tells; None: `halt` was set."""
    waits = backoff_seconds(cap=LONGEST_WAIT_SECONDS)
    is_reported = False
    while not halt.is_set():
        try:
            watermarks = consumer.get_watermark_offsets(place, timeout=WATERMARK_TIMEOUT_SECONDS)
            reason = "no answer came"
        except KafkaException as error:
            if not passes(error.args[0]):
                raise
            watermarks, reason = None, error.args[0].str()
        if watermarks is not None:
            return watermarks
        if not is_reported:
            logger.warning(
                "event=waiting_for_partition topic=%s partition=%d reason=%s", place.topic, place.partition, reason
            )
            is_reported = True
        halt.wait(next(waits))
    return None


_decode = msgspec.json.Decoder(_TailMessage).decode


def note_message(tails: dict[str, SymbolTail], wanted: frozenset[str], value: bytes | None) -> None:
    """Add one record of the tail to `tails`, if it is a trade of a wanted symbol."""
    try:
        message = _decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # an unreadable frame, kept in the topic for quarantine
    if message.symbol not in wanted:
        return
    tail = tails.get(message.symbol)
    if tail is None:
        tail = tails[message.symbol] = SymbolTail()
    tail.held.add(message.agg_id)
    # The lowest, not the first read: partitions are read in no order, and a symbol may stand in two of them.
    if message.source == "ws" and (tail.first_live is None or message.agg_id < tail.first_live):
        tail.first_live = message.agg_id
