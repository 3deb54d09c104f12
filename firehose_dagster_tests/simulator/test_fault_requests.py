"""How faults are asked for, by one request or by a script, and disarmed."""

import json

from firehose_dagster.simulator.fault_kinds import AnyFault
from firehose_dagster_tests.simulator.conftest import RunningExchange, receive_json
from firehose_dagster_tests.simulator.fault_client import fault, rest, until_closed


def test_calm_disarms_what_is_still_to_come(exchange: RunningExchange) -> None:
    receive_json(exchange.connect("/ws/btcusdt@aggTrade"), 1)
    for kind in ("skip", "reorder", "duplicate"):
        fault(exchange, kind, symbols=["BTCUSDT"], count=1_000)
    fault(exchange, "rest-empty", count=100)
    fault(exchange, "rest-empty", symbols=["ETHUSDT"], count=100)
    fault(exchange, "mute", seconds=600)
    exchange.post("/admin/calm?symbols=BTCUSDT")
    assert rest(exchange).body != []
    assert rest(exchange, "ETHUSDT").body == []
    while exchange.status()["faults"]["trades_held_back"]:
        pass
    ids = [frame["a"] for frame in receive_json(exchange.connect("/ws/btcusdt@aggTrade"), 50)]
    assert ids == list(range(ids[0], ids[0] + 50))
    exchange.post("/admin/calm")
    assert rest(exchange, "ETHUSDT").body != []
    assert exchange.status()["faults"]["muted_seconds"] == {}


def test_what_is_no_fault_is_refused_with_its_reason(exchange: RunningExchange) -> None:
    for body, reason in (
        ("", "truncated"),
        ('{"kind":"eat"}', "eat"),
        ('{"kind":"skip"}', "count"),
        ('{"kind":"skip","count":0}', "count"),
        ('{"kind":"skip","count":1,"symbol":"BTCUSDT"}', "symbol"),
        ('{"kind":"abort","symbols":["NOPE"]}', "NOPE"),
    ):
        answer = exchange.post("/admin/fault", body=body)
        assert (answer.status, reason in answer.body) == (400, True), answer


def test_every_kind_is_accepted_without_symbols_while_nobody_is_connected(exchange: RunningExchange) -> None:
    needed = {"mute": {"seconds": 1}, "delay": {"seconds": 1}, "age-limit": {"seconds": 1}}
    needed |= {kind: {"count": 1} for kind in ("skip", "duplicate", "reorder", "hole")}
    needed |= {"rest-status": {"status": 500}, "rest-slow": {"delay_seconds": 0}}
    for kind in (each.__struct_config__.tag for each in AnyFault.__args__):
        fault(exchange, kind, **needed.get(kind, {}))


def test_a_script_is_played_to_its_end_and_tells_what_happened(exchange: RunningExchange) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    script = [
        {"at_seconds": 0.1, "fault": {"kind": "hole", "symbols": ["BTCUSDT"], "count": 2}},
        {"at_seconds": 0.0, "fault": {"kind": "skip", "symbols": ["BTCUSDT"], "count": 1}},
        {"at_seconds": 0.2, "fault": {"kind": "close", "symbols": ["BTCUSDT"], "code": 1001}},
    ]
    assert exchange.post("/admin/scripts", body=json.dumps(script)).body["number"] == 0
    until_closed(client)
    while not (played := exchange.get("/admin/scripts").body[0])["finished"]:
        pass
    assert [each["fault"]["kind"] for each in played["happened"]] == ["skip", "hole", "close"]
    assert played["happened"][1]["outcome"]["holes"]["BTCUSDT"]
    assert played["happened"][2]["outcome"] == {"connections": 1}


def test_a_seed_names_a_script_and_a_wrong_symbol_none(exchange: RunningExchange) -> None:
    one = exchange.post("/admin/scripts?seed=5&symbols=BTCUSDT,ETHUSDT&seconds=20").body
    two = exchange.post("/admin/scripts?seed=5&symbols=BTCUSDT,ETHUSDT&seconds=20").body
    assert one["script"] == two["script"]
    assert (one["number"], two["number"]) == (0, 1)
    assert exchange.post("/admin/scripts?seed=5&symbols=NOPE").status == 400
    assert exchange.post("/admin/scripts?seed=5").status == 400
    assert len(exchange.get("/admin/scripts").body) == 2
