"""What stops the gateway, each error saying what was wrong and what to do."""

from collections.abc import Sequence

from firehose_dagster.errors import ExplainedError


class GatewayError(ExplainedError):
    """The gateway cannot start or go on; a supervisor may start it again."""


class UnknownSymbolsError(GatewayError):
    """Symbols were asked for that the exchange does not list and never did, as far as topic and lake tell."""

    def __init__(self, unknown: Sequence[str], url: str) -> None:
        self.unknown = tuple(unknown)
        super().__init__(
            f"the exchange at {url} does not list {', '.join(unknown)}, and no trade of them is held. "
            "Correct FIREHOSE_SYMBOLS (--symbols)."
        )


class NoSymbolLeftError(GatewayError):
    """There is nothing to collect: `why` is said of the exchange."""

    def __init__(self, why: str, url: str) -> None:
        super().__init__(
            f"the exchange at {url} {why}. Correct FIREHOSE_SYMBOLS (--symbols), or wait for it: it is tried again."
        )


class ClockError(GatewayError):
    """This machine's clock is so far off that trades would be called future ones, or received long ago."""


class GatewayAlreadyRunningError(GatewayError):
    """Another gateway holds this home's lock."""

    def __init__(self, lock_path: str, pid: int | None) -> None:
        self.pid = pid
        owner = f"pid {pid}" if pid is not None else "its pid is not known yet"
        super().__init__(f"a gateway is running on this home already ({owner}; lock {lock_path}). Stop it first.")


class DeliveryFailedError(GatewayError):
    """Kafka refuses the topic for good. What is missing is healed at the next start."""


class FlushIncompleteError(GatewayError):
    """Messages were not confirmed by Kafka before the gateway had to end. They are healed at the next start."""


class TopicError(GatewayError):
    """The topic cannot be created or read."""
