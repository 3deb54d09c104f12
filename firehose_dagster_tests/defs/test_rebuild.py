"""Making a layer anew: stopped halfway it says so, and beside a stream it starts nothing."""

import threading
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.cli import app
from firehose_dagster.defs import rebuild as rebuild_module
from firehose_dagster.defs import streams as streams_module
from firehose_dagster.defs.rebuild import rebuild
from firehose_dagster.defs.resources import FirehoseResource, LakeSparkResource
from firehose_dagster.defs.streams import trade_stream
from firehose_dagster.settings import Settings
from firehose_dagster.streams import host
from firehose_dagster.streams.lease import StreamAlreadyRunningError
from firehose_dagster.streams.progress import ProgressFile, StreamProgress


@pytest.mark.parametrize(
    ("is_stopped", "code", "told"),
    [
        (False, 0, "gold was made anew: 0 rows to silver, 0 gold minutes"),
        (True, 1, "stopped before gold was made anew to the end: the stream's next start goes on"),
    ],
)
def test_a_rebuild_that_was_interrupted_is_not_called_done(
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_stopped: bool,
    code: int,
    told: str,
) -> None:
    def run(settings: Settings, stop: threading.Event, **_: object) -> StreamProgress:
        if is_stopped:
            stop.set()
        return ProgressFile(settings, {}).progress

    monkeypatch.setattr(host, "run_streams", run)
    monkeypatch.setattr("firehose_dagster.commands.rebuild.stop_on_signal", threading.Event)
    assert app(["rebuild", "gold", "--home", str(tmp_path)], result_action="return_value") == code
    captured = capsys.readouterr()
    assert told in captured.out + captured.err


def _held(_: Settings) -> None:
    raise StreamAlreadyRunningError("the lake is written by process 1")


def _no_session(*_: object) -> None:
    pytest.fail("a session was started beside a stream that runs")


def test_beside_a_stream_a_rebuild_is_refused_before_a_session_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_module, "refuse_if_held", _held, raising=False)
    monkeypatch.setattr(LakeSparkResource, "session", _no_session)
    with pytest.raises(StreamAlreadyRunningError):
        rebuild.execute_in_process(
            run_config={"ops": {"rebuild_layer": {"config": {"layer": "gold"}}}},
            resources={"firehose": FirehoseResource(home=str(tmp_path)), "spark": LakeSparkResource()},
        )


def test_beside_a_stream_another_one_is_refused_before_a_session_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_module, "refuse_if_held", _held, raising=False)
    monkeypatch.setattr(LakeSparkResource, "session", _no_session)
    with pytest.raises(StreamAlreadyRunningError):
        dg.materialize(
            [trade_stream],
            run_config={"ops": {"trade_stream": {"config": {"continuous": True}}}},
            resources={"firehose": FirehoseResource(home=str(tmp_path)), "spark": LakeSparkResource()},
        )
