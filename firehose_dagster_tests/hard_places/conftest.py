"""The broker and the lakes that these tests stand on are those of the pipeline and of the stream."""

from firehose_dagster_tests.pipeline.conftest import bootstrap, make_pipeline

__all__ = ["bootstrap", "make_pipeline"]
