"""Which of Kafka's errors pass by themselves. librdkafka marks only those of transactions as retriable."""

from confluent_kafka import KafkaError

_PASSING = frozenset(
    {
        # The broker is away, or slow.
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.REQUEST_TIMED_OUT,
        # A topic was just made, or a partition moves: who leads it is told in a moment, and not to all at once.
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


def passes(error: KafkaError) -> bool:
    """Whether asking again later may help."""
    return error.code() in _PASSING
