"""Work at a low priority beside the stream, in a thread of its own, so that the process keeps the priority it has.

On Linux: elsewhere threads have no priority of their own, and the work goes on at that of its process.
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

_NICENESS = 10
_ASK_EVERY_SECONDS = 0.2

T = TypeVar("T")


def beside_the_stream(work: Callable[[threading.Event], T]) -> T:
    """Run `work` to its end and return its result; processes that it starts have the low priority too.

    It is handed an event that is set when the caller is interrupted; the interruption goes on once `work` has ended.
    Raises what `work` raises.
    """
    stop = threading.Event()
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            # Linux keeps a priority a thread; it may be lowered by anybody. Elsewhere a thread's number names no
            # process, or a stranger's.
            if sys.platform == "linux":
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
            result.append(work(stop))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            failure.append(error)

    worker = threading.Thread(target=run, name="beside-the-stream")
    worker.start()
    try:
        while worker.is_alive():
            worker.join(_ASK_EVERY_SECONDS)
    finally:
        stop.set()
        worker.join()
    if failure:
        raise failure[0]
    return result[0]
