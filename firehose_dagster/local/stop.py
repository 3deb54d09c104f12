"""`firehose stop`: end everything that runs on a home, from any terminal."""

from firehose_dagster.local.home_lock import stop_installation
from firehose_dagster.settings import Settings


def stop_home(settings: Settings) -> int:
    """Stop in order and wait; exit code 0 in any case. Raises `AlreadyRunningError` after 5 minutes."""
    ran = stop_installation(settings.home)
    print(f"stopped {settings.home}" if ran else f"nothing runs on {settings.home}")
    return 0
