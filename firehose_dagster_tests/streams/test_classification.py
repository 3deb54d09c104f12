"""New, duplicate or conflict: every suspect is exactly one of them, and the first row of an id stays."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.streams.classification import Coordinates, Suspect, TradeContent, TradeKey, classify


def _content(price: int) -> TradeContent:
    return TradeContent(Decimal(price), Decimal(1), 1, 1, True, 1)


keys = st.builds(TradeKey, st.sampled_from(("A", "B")), st.integers(0, 4))
contents = st.builds(_content, st.integers(1, 3))
suspects = st.lists(
    st.builds(Suspect, st.builds(Coordinates, st.integers(0, 2), st.integers(0, 30)), keys, contents),
    unique_by=lambda suspect: suspect.coordinates,
)


@given(suspects, st.dictionaries(keys, contents))
def test_each_suspect_is_new_duplicate_or_conflict_and_the_first_of_an_id_stays(
    rows: list[Suspect], held: dict[TradeKey, TradeContent]
) -> None:
    verdicts = classify(rows, held)
    duplicates, conflicts = set(verdicts.duplicates), set(verdicts.conflicts)
    assert len(verdicts.excluded) == len(duplicates | conflicts)
    stays = dict(held)
    for row in sorted(rows, key=lambda row: row.coordinates):
        is_new = row.key not in stays
        stays.setdefault(row.key, row.content)
        assert (row.coordinates in duplicates) == (not is_new and row.content == stays[row.key])
        assert (row.coordinates in conflicts) == (row.content != stays[row.key])
