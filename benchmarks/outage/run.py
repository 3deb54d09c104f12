"""Outage: the gateway is killed, stays down, and heals what it missed.

`python -m benchmarks.outage.run [--seconds 60] [--rate 1000] [--symbols 20] [--before 20]`

Killed by SIGKILL, so nothing of its own survives. Counted from its start to the moment at which no id is missing any
more, Kafka's confirmations included. Goal: 60 s + T/30 for an outage of T seconds, 15 s + T/60 up to 100 symbols. In
the end the whole topic is read: each symbol's ids must be contiguous.
"""

import argparse
import json
import os
import signal
import time

from benchmarks.running_feed import Feed, running_feed

WARM_UP_SECONDS = 120
GIVE_UP_SECONDS = 300
FEW_SYMBOLS = 100
AFTERWARDS_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="length of the outage")
    parser.add_argument("--rate", type=float, default=1_000, help="trades a second, over all symbols")
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--before", type=float, default=20, help="seconds collected before the kill")
    options = parser.parse_args()
    symbols = [f"S{number:04d}USDT" for number in range(options.symbols)]
    with running_feed(symbols, options.rate) as feed:
        heal_seconds, figures = _outage(feed, options)
        held = feed.held()
    missing = sum((ids.highest or 0) - (ids.lowest or 0) + 1 - len(ids) for ids in held.values())
    goal = 15 + options.seconds / 60 if options.symbols <= FEW_SYMBOLS else 60 + options.seconds / 30
    print(f"killed for {options.seconds:g} s at {options.rate:,.0f} trades/s over {options.symbols} symbols")
    print(f"  healed in {heal_seconds:.1f} s; goal {goal:.0f} s")
    print(f"  {figures['healed_ids']:,} ids by {figures['rest_calls']} requests; highest weight in a minute: ", end="")
    print(f"{figures['highest_weight_used']:,} of 6,000")
    print(f"  {sum(len(ids) for ids in held.values()):,} trades of {len(held)} symbols held, {missing} missing")
    print(json.dumps({"heal_seconds": round(heal_seconds, 1), "goal_seconds": goal, "missing": missing, **figures}))


def _outage(feed: Feed, options: argparse.Namespace) -> tuple[float, dict[str, int]]:
    first = feed.wait_for(lambda status: status.trades > options.rate * options.before, WARM_UP_SECONDS)
    os.kill(first.pid, signal.SIGKILL)
    # The supervisor would start it again.
    feed.installation.stop_program("gateway")
    time.sleep(options.seconds)  # the outage
    started = time.monotonic()
    feed.installation.start("gateway")
    last = feed.wait_for(
        lambda status: (
            status.pid != first.pid
            and status.state == "running"
            and status.gaps_healed >= options.symbols
            and status.missing_ids == 0
        ),
        GIVE_UP_SECONDS,
    )
    seconds = time.monotonic() - started
    time.sleep(AFTERWARDS_SECONDS)  # the feed goes on
    violations = feed.violations()
    feed.installation.stop_program("gateway")
    return seconds, {
        "healed_ids": last.healed_ids,
        "rest_calls": last.rest_calls,
        "highest_weight_used": last.highest_weight_used,
        "violations": sum(violations.values()),
    }


if __name__ == "__main__":
    main()
