"""Where a run of compaction stands: the steps of one group, and those of the table after them."""

from enum import StrEnum


class Step(StrEnum):
    """The moments at which a run may be killed, in their order; a test kills at each."""

    PLANNED = "planned"
    COUNTED = "counted"
    """The old files were read, for their fingerprint and for the rewrite."""
    WRITTEN = "written"
    PROVED = "proved"
    COMMITTED = "committed"
    FOUND_WRONG = "found_wrong"
    """Only where the second proof failed: nothing was put back yet."""
    PUT_BACK = "put_back"
    CHECKED = "checked"
    MANIFESTS_REWRITTEN = "manifests_rewritten"
    RECORDED = "recorded"
