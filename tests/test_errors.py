"""Messages of mistakes name what would be right."""

from finescale.errors import suggestion


def test_a_name_that_is_not_known():
    assert suggestion("tain", ["train", "test"]) == "; did you mean `train`?"
    assert suggestion("x", iter(["b", "a"])) == " (known: a, b)"
    assert suggestion("x", {}) == ": there is none"
