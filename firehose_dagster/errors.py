"""The one kind of error that a user is meant to read."""


class ExplainedError(Exception):
    """An error whose message says what was wrong, where, and what to do.

    The command line prints the message in one line and exits with 2; any other exception is a fault of the project and
    shows its trace.
    """
