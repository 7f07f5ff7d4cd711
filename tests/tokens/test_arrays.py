"""Arrays written as a stream read back as they were, from disk."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.errors import UserError
from finescale.tokens import open_examples
from finescale.tokens.arrays import ArrayWriter, Ragged, RaggedWriter, token_type

chunks = st.lists(st.lists(st.lists(st.integers(0, 65_534), max_size=9), max_size=5), max_size=5)


@given(chunks)
def test_ragged_rows_round_trip(chunks):
    with TemporaryDirectory() as folder:
        values, offsets = Path(folder, "values.npy"), Path(folder, "offsets.npy")
        with RaggedWriter(values, offsets, np.uint16) as writer:
            for chunk in chunks:
                writer.extend([np.array(row, dtype=np.int32) for row in chunk])
        rows = [row for chunk in chunks for row in chunk]
        ragged = Ragged(values, offsets)
        assert [row.tolist() for row in ragged] == rows
        assert ragged.lengths.tolist() == [len(row) for row in rows]
        # what is on disk is plain numpy
        assert np.load(values).dtype == np.uint16
        assert np.load(values).tolist() == [i for row in rows for i in row]
        assert np.load(offsets).dtype == np.int64


def test_a_long_array_keeps_its_header(tmp_path):
    with ArrayWriter(tmp_path / "a.npy", np.uint32) as writer:
        for start in range(0, 1_000_000, 100_000):
            writer.append(np.arange(start, start + 100_000))
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.arange(1_000_000))


def test_rows_are_mapped_not_loaded(tmp_path):
    with RaggedWriter(tmp_path / "v.npy", tmp_path / "o.npy", np.uint16) as writer:
        writer.extend([np.arange(5), np.arange(3)])
    ragged = Ragged(tmp_path / "v.npy", tmp_path / "o.npy")
    assert isinstance(ragged.values.base, np.memmap)
    assert not ragged[0].flags.owndata
    assert not ragged[0].flags.writeable
    for i in (2, -1):
        with pytest.raises(IndexError):
            ragged[i]


@pytest.mark.parametrize(
    ("vocab_size", "dtype"),
    [(500, np.uint16), (65_535, np.uint16), (65_536, np.uint32), (256_000, np.uint32)],
)
def test_the_smallest_type_that_holds_the_vocabulary(vocab_size, dtype):
    assert token_type(vocab_size) is dtype


def test_a_missing_split_is_named(tmp_path):
    with pytest.raises(UserError, match="no 'dev' examples"):
        open_examples(tmp_path, "dev")
