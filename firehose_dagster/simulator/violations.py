"""What clients did that the exchange forbids: a client under test is to leave all of it at 0."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Violations:
    """Counts since the start."""

    client_messages: int = 0
    """More than 5 messages within a second: closed with 1008."""
    pong_timeouts: int = 0
    """A ping was not answered with its payload within a minute: closed with 1008."""
    connection_attempts: int = 0
    """Handshakes beyond 300 in 5 minutes: each refused with 429."""
    weight_exceeded: int = 0
    """The requests that went over the weight of a minute: answered 429."""
    asked_while_limited: int = 0
    """Requests before the `Retry-After` of a 429 or 418 was over."""
    bans: int = 0
    """Bans imposed for going on: answered 418."""

    def as_json(self) -> dict[str, int]:
        """For the admin endpoint."""
        return asdict(self)
