"""One typed reading of the environment: every variable the project knows, validated together at start.

Longer than other modules, for a setting is written in one place.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from firehose_dagster.binance import limits
from firehose_dagster.environment_read import EnvironmentRead

ALL_SYMBOLS = "ALL"
_READ_AS_URL = re.compile("[#?]|%[0-9a-fA-F]{2}")
"""What ends a path, or is another character, to those who open catalog and files by a URL."""

Port = Annotated[int, Field(ge=1, le=65_535)]


class Settings(EnvironmentRead):
    """The settings of one installation, each read from ``FIREHOSE_<NAME>`` or from `.env`.

    Frozen once read. Raises ``pydantic.ValidationError`` naming every bad variable at once; the command
    line and the code location turn that into one message.
    """

    model_config = SettingsConfigDict(
        env_prefix="FIREHOSE_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Path = Field(
        default=Path("~/.firehose"), description="Folder of one installation: lake, broker log, Dagster storage, logs."
    )
    profile: Literal["embedded", "stack"] = Field(
        default="embedded",
        description="`embedded`: processes on this machine. `stack`: the services of docker-compose.yml.",
    )
    jars_dir: Path = Field(
        default=Path("~/.cache/firehose/jars"), description="Where `make setup` puts the Spark and Kafka jars."
    )

    symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT"),
        description="Symbols to collect, comma separated, or ALL for every symbol that trades.",
    )
    exchange_ws_url: str = Field(default="wss://data-stream.binance.vision", description="Exchange WebSocket base URL.")
    exchange_rest_url: str = Field(default="https://data-api.binance.vision", description="Exchange REST base URL.")
    gateway_tail_messages: int = Field(
        default=200_000,
        ge=1,
        description="Messages read back per partition at gateway start, to find what is held and what is missing.",
    )
    gateway_symbols_per_connection: int = Field(
        default=limits.MAX_STREAMS_PER_CONNECTION,
        ge=1,
        le=limits.MAX_STREAMS_PER_CONNECTION,
        description="Most symbols on one WebSocket connection; the exchange allows 1,024.",
    )
    gateway_rotate_after_seconds: float = Field(
        default=23 * 3_600,
        gt=0,
        le=limits.CONNECTION_LIFE_SECONDS,
        description="Age at which a connection is replaced by a new one that overlaps it; the exchange cuts at 24 h.",
    )
    gateway_weight_per_minute: int = Field(
        default=4_800,
        ge=100,
        le=limits.REQUEST_WEIGHT_PER_MINUTE,
        description="REST weight a minute to stay below; the exchange allows an address 6,000, others on it included.",
    )
    gateway_queue_megabytes: int = Field(
        default=64,
        ge=1,
        le=1_024,
        description="Messages waiting for Kafka, in memory; when full the exchange is left unread, then healed.",
    )

    kafka_bootstrap: str = Field(default="", description="Kafka bootstrap servers; empty means the embedded broker.")
    topic: str = Field(default="binance.aggtrade", description="Kafka topic of the trades.")
    topic_partitions: int = Field(default=4, ge=1, description="Partitions of the topic when it is created.")

    catalog_uri: str = Field(
        default="", description="Iceberg REST catalog URL; empty means the embedded SQLite catalog."
    )
    warehouse: str = Field(
        default="",
        description="The name that the REST catalog has for the warehouse; empty: its default. Embedded: the location, "
        "empty means a folder under the home.",
    )
    catalog_wait_seconds: int = Field(
        default=60,
        ge=1,
        description="Longest wait for another process's transaction on the embedded catalog; then the commit fails.",
    )
    s3_endpoint: str = Field(default="", description="S3 endpoint of the warehouse, stack profile.")
    s3_access_key: SecretStr = Field(default=SecretStr(""), description="S3 access key.")
    s3_secret_key: SecretStr = Field(default=SecretStr(""), description="S3 secret key.")
    s3_region: str = Field(default="us-east-1", description="S3 region.")

    spark_master: str = Field(default="local[2]", description="Spark master URL.")
    spark_driver_memory: str = Field(default="2g", pattern=r"^\d+[mg]$", description="Heap of the Spark driver.")
    spark_driver_host: str = Field(
        default="127.0.0.1",
        description="Name or address at which the executors of another Spark master reach the driver.",
    )
    spark_executor_memory: str = Field(
        default="1g", pattern=r"^\d+[mg]$", description="Heap of each executor, where the master is not local."
    )
    trigger_interval_ms: int = Field(default=1_000, ge=0, description="Shortest time between two micro-batch starts.")
    max_rows_per_batch: int = Field(
        default=500_000, ge=1, description="Upper bound of Kafka records in one micro-batch."
    )

    lost_offsets: Literal["refuse", "skip"] = Field(
        default="refuse",
        description="Records that Kafka's retention removed unread: `refuse` to start, or `skip` them as an incident.",
    )
    late_after_minutes: int = Field(
        default=10,
        ge=1,
        description="A trade this much older than the newest one held is called late; its minute is then final.",
    )
    spike_history_minutes: int = Field(
        default=30, ge=1, le=30, description="Minutes before a minute that it is judged against."
    )
    spike_min_history: int = Field(
        default=10, ge=1, description="Fewest minutes with trades among them, else no spike is called."
    )
    volume_spike_ratio: Annotated[str, Field(pattern=r"^\d+(\.\d{1,8})?$")] = Field(
        default="5", description="Volume spike: volume / mean volume of the reference minutes is at least this."
    )
    price_spike_ratio: Annotated[str, Field(pattern=r"^\d+(\.\d{1,8})?$")] = Field(
        default="4",
        description="Price spike: distance from the reference price / mean range of the reference is at least this.",
    )
    price_spike_min_move: Annotated[str, Field(pattern=r"^\d+(\.\d{1,8})?$")] = Field(
        default="0.003", description="Price spike: and the distance is at least this fraction of the reference price."
    )

    webhook_url: HttpUrl | None = Field(
        default=None, description="Where spike webhooks are posted (n8n); empty means the demo's receiver."
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="Standard Webhooks secret, `whsec_` + base64; empty: no alert is sent."
    )
    alert_max_age_minutes: int = Field(
        default=60, ge=1, description="Spikes of minutes older than this are recorded, not posted."
    )

    openlineage_url: HttpUrl | None = Field(
        default=None,
        validation_alias=AliasChoices("FIREHOSE_OPENLINEAGE_URL", "OPENLINEAGE_URL"),
        description="Where OpenLineage events are sent (Marquez); empty: none are made. OPENLINEAGE_URL sets it too.",
    )
    openlineage_api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("FIREHOSE_OPENLINEAGE_API_KEY", "OPENLINEAGE_API_KEY"),
        description="Bearer token of the OpenLineage receiver. OPENLINEAGE_API_KEY sets it too.",
    )
    openlineage_namespace: str = Field(
        default="crypto-firehose",
        validation_alias=AliasChoices("FIREHOSE_OPENLINEAGE_NAMESPACE", "OPENLINEAGE_NAMESPACE"),
        description="Namespace of the jobs in lineage. OPENLINEAGE_NAMESPACE sets it too.",
    )
    openlineage_interval_seconds: int = Field(
        default=60, ge=1, description="Shortest time between two lineage events of a run that goes on."
    )

    compaction_margin_minutes: int = Field(
        default=15, ge=0, description="An hour is compacted once it ended this long before the watermark."
    )
    compaction_min_files: int = Field(
        default=5, ge=2, description="Fewer files than this in a partition are left as they are."
    )
    compaction_max_rows_per_file: int = Field(
        default=4_000_000,
        ge=1,
        description="Most rows of a compacted file; as many are sorted in memory at once, about 300 bytes each.",
    )
    compaction_min_manifests: int = Field(
        default=30, ge=2, description="Manifests of a table are rewritten into few once there are this many."
    )
    compaction_threads: int = Field(
        default=1, ge=1, description="Threads of compaction; it works at low priority beside the stream."
    )

    snapshot_min_age_minutes: int = Field(
        default=20,
        ge=1,
        description="A snapshot is kept this long after it was superseded; a reader that takes longer pins its own.",
    )
    snapshots_min_kept: int = Field(
        default=10, ge=1, description="Newest snapshots of each table that are kept whatever their age."
    )
    orphan_min_age_days: int = Field(
        default=3, ge=3, description="Files that no metadata names are removed when this old; never sooner than 3 days."
    )
    bronze_keep_days: int = Field(
        default=0,
        ge=0,
        description="Bronze rows that silver proves to hold leave after so many days; 0: bronze is kept for ever.",
    )
    audit_keep_days: int = Field(
        default=0,
        ge=0,
        description="Audit rows older than so many days (at least 7) become one a day, sums kept; 0: all are kept.",
    )
    dagster_runs_keep_days: int = Field(
        default=14,
        ge=1,
        description="Dagster's runs that ended longer ago are removed, with their logs; the newest of each job stay.",
    )

    completeness_margin_minutes: int = Field(
        default=5,
        ge=0,
        description="An hour is over, and can be sealed, when the watermark has passed its end by this.",
    )
    completeness_heal_max_ids: int = Field(
        default=200_000,
        ge=0,
        description="The gateway is asked over REST for holes of at most so many ids; longer ones need the archive.",
    )
    archive_url: str = Field(default="https://data.binance.vision", description="Archive of daily files.")

    ui_host: str = Field(default="127.0.0.1", description="Address of the Dagster UI.")
    ui_port: Port = Field(default=3000, description="Port of the Dagster UI.")
    code_server_port: Port = Field(default=3001, description="Port of the Dagster code server.")
    broker_port: Port = Field(default=9092, description="Port of the embedded Kafka broker.")
    broker_controller_port: Port = Field(default=9093, description="Controller port of the embedded Kafka broker.")
    exchange_port: Port = Field(default=9080, description="Port of the exchange simulator.")
    receiver_port: Port = Field(default=9081, description="Port of the demo's webhook receiver.")
    api_host: str = Field(default="127.0.0.1", description="Address of the read API and its live page.")
    api_port: Port = Field(default=8000, description="Port of the read API.")
    api_token: SecretStr = Field(
        default=SecretStr(""),
        description="Bearer token of the read API; empty: none is asked for, and it listens on loopback only.",
    )

    @field_validator("symbols", mode="before")
    @classmethod
    def _split_symbols(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().upper() for part in value.split(",") if part.strip())
        return value

    @field_validator("symbols")
    @classmethod
    def _at_least_one_symbol(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError(f"no symbol was given; name some, comma separated, or {ALL_SYMBOLS}")
        return value

    @field_validator("home", "jars_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @model_validator(mode="after")
    def _stack_names_its_services(self) -> Self:
        if self.profile == "stack":
            unset = [name for name in ("kafka_bootstrap", "catalog_uri") if not getattr(self, name)]
            if unset:
                variables = ", ".join(f"FIREHOSE_{name.upper()}" for name in unset)
                raise ValueError(f"profile `stack` was chosen, but not set: {variables}")
        return self

    @model_validator(mode="after")
    def _the_embedded_lake_is_found_where_it_is(self) -> Self:
        for name, place in (("home", str(self.home)), ("warehouse", self.warehouse)):
            if not self.catalog_uri and (odd := _READ_AS_URL.search(place)):
                raise ValueError(
                    f"{name} {place} has `{odd.group()}` in it, by which the lake would be looked for elsewhere; "
                    f"choose another FIREHOSE_{name.upper()}"
                )
        return self

    @model_validator(mode="after")
    def _a_spike_can_be_called(self) -> Self:
        if self.spike_min_history > self.spike_history_minutes:
            pair = f"SPIKE_MIN_HISTORY={self.spike_min_history}, SPIKE_HISTORY_MINUTES={self.spike_history_minutes}"
            raise ValueError(f"{pair}: no spike could ever be called; lower the first, or raise the second")
        return self

    @property
    def bootstrap_servers(self) -> str:
        """Kafka bootstrap servers in force: the setting, else the embedded broker's address."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.broker_port}"

    @property
    def lake_dir(self) -> Path:
        """Embedded lake: `catalog.db` and `warehouse/`."""
        return self.home / "lake"

    @property
    def state_dir(self) -> Path:
        """Small files that processes show each other: lease, gateway status."""
        return self.home / "state"

    @property
    def spill_dir(self) -> Path:
        """Where `verify` and completeness write what is beyond their memory: a `/tmp` may be memory itself."""
        return self.home / "spill"

    @property
    def logs_dir(self) -> Path:
        """One log file a process, one line a state change."""
        return self.home / "logs"

    @property
    def checkpoint_dir(self) -> Path:
        """Offsets and commits of the streaming query; a cache of what the tables' summaries say."""
        return self.home / "checkpoints" / "trades"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of the embedded profile."""
        return self.home / "dagster"
