"""The jars of Iceberg's own REST server, which its project publishes for tests alone: never in an image of ours.

`spark-submit --packages` knows no classifiers, which two of the jars need; the Ivy in pyspark's folder does.
"""

import shutil
import subprocess
from pathlib import Path
from xml.sax.saxutils import quoteattr

from filelock import FileLock

from firehose_dagster.lake.jars import pyspark_home

ICEBERG_VERSION = "1.11.0"
"""What the catalog's image has too."""
MAIN_CLASS = "org.apache.iceberg.rest.RESTCatalogServer"
FOLDER = f"test-iceberg-rest-{ICEBERG_VERSION}"

COORDINATES: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    (f"org.apache.iceberg:iceberg-open-api:{ICEBERG_VERSION}", ("test-fixtures",)),
    (f"org.apache.iceberg:iceberg-core:{ICEBERG_VERSION}", (None, "tests")),
    (f"org.apache.iceberg:iceberg-aws:{ICEBERG_VERSION}", (None,)),
    (f"org.apache.iceberg:iceberg-aws-bundle:{ICEBERG_VERSION}", (None,)),
    ("org.eclipse.jetty.ee10:jetty-ee10-servlet:12.1.5", (None,)),
    ("org.eclipse.jetty.compression:jetty-compression-server:12.1.5", (None,)),
    ("org.eclipse.jetty.compression:jetty-compression-gzip:12.1.5", (None,)),
    ("org.postgresql:postgresql:42.7.8", (None,)),
    ("dev.failsafe:failsafe:3.3.2", (None,)),
    ("org.slf4j:slf4j-simple:2.0.17", (None,)),
    ("org.apache.hadoop:hadoop-client-api:3.4.2", (None,)),
    ("org.apache.hadoop:hadoop-client-runtime:3.4.2", (None,)),
)
_TIMEOUT_SECONDS = 600


def rest_server_jars(cache: Path, java: Path) -> list[Path]:
    """The class path; fetched once into a folder under `cache`."""
    folder = cache / FOLDER
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{FOLDER}.lock"):
        if not folder.is_dir():
            _fetch(folder, java)
    return sorted(folder.glob("*.jar"))


def _fetch(folder: Path, java: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    (partial / "ivy.xml").write_text(_ivy_xml())
    (partial / "ivysettings.xml").write_text(
        '<ivysettings><settings defaultResolver="central"/>'
        f"<caches defaultCacheDir={quoteattr(str(partial / 'cache'))}/>"
        '<resolvers><ibiblio name="central" m2compatible="true"/></resolvers></ivysettings>'
    )
    (ivy,) = (pyspark_home() / "jars").glob("ivy-*.jar")
    command = [
        *(str(java), "-jar", str(ivy), "-warn"),
        *("-settings", str(partial / "ivysettings.xml"), "-ivy", str(partial / "ivy.xml")),
        *("-retrieve", f"{partial}/jars/[organisation]_[artifact]-[revision](-[classifier]).[ext]"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    assert run.returncode == 0, f"Ivy ended with {run.returncode}:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
    (partial / "jars").rename(folder)
    shutil.rmtree(partial)


def _ivy_xml() -> str:
    dependencies = []
    for coordinate, classifiers in COORDINATES:
        organisation, name, revision = coordinate.split(":")
        artifacts = "".join(
            f'<artifact name="{name}" type="jar" ext="jar"' + (f' m:classifier="{each}"/>' if each else "/>")
            for each in classifiers
        )
        dependencies.append(f'<dependency org="{organisation}" name="{name}" rev="{revision}">{artifacts}</dependency>')
    return (
        '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">'
        '<info organisation="firehose" module="rest-server"/>'
        '<configurations><conf name="default"/></configurations>'
        f'<dependencies defaultconf="default->master,runtime">{"".join(dependencies)}</dependencies></ivy-module>'
    )
