"""An S3 of its own for one test: SeaweedFS, up in a second."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pyarrow.fs import S3FileSystem

from firehose_dagster.local.ports import free_ports
from firehose_dagster_tests.stack.service import Service

BUCKET = "lake"
_PORTS = (
    *("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc", "webdav.port"),
)


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Where it is, and who may use it."""

    endpoint: str
    key: str = "key"
    secret: str = "secret"

    def files(self) -> S3FileSystem:
        """What it holds, past all code of ours."""
        return S3FileSystem(
            access_key=self.key, secret_key=self.secret, endpoint_override=self.endpoint, region="us-east-1"
        )


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Runs within the block and keeps its files in the folder, which must not be there yet. It has one bucket."""
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    store = ObjectStore(f"http://127.0.0.1:{ports['s3.port']}")
    folder.mkdir()
    flags = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "bucket": BUCKET,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "admin.ui": "false",
        **ports,
    }
    weed = str(Path(sys.executable).parent / "weed")
    service = Service(
        name="s3",
        command=(weed, "mini", *(f"-{name}={value}" for name, value in flags.items())),
        log=folder.parent / "s3.log",
        is_ready=lambda: _answers(f"{store.endpoint}/{BUCKET}"),
        environment={"AWS_ACCESS_KEY_ID": store.key, "AWS_SECRET_ACCESS_KEY": store.secret},
    )
    try:
        service.start()
        yield store
    finally:
        service.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False
