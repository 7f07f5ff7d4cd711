"""Gives each LibreOffice help page exactly one role, for all tasks and languages at once."""

import hashlib

ROLES = ("pretrain", "train", "dev", "test")
HINDI_PAGES = 120  # Hindi is the rarest language: zero-shot tests need the pages that have it
FINETUNING_SHARE = 0.45  # of the other pages
TEST_SHARE, DEV_SHARE = 0.05, 0.08  # of the finetuning pages


def assign_roles(hindi_pairs: dict[str, int]) -> dict[str, str]:
    """Role of each page, given its number of clean English-Hindi pairs.

    The pages with most Hindi are test pages. All others are decided by hashes of their names, so
    a page keeps its role when others come or go.
    """
    ranked = sorted(hindi_pairs, key=lambda name: (-hindi_pairs[name], name))
    richest = set(ranked[:HINDI_PAGES])
    return {name: "test" if name in richest else _role_by_hash(name) for name in sorted(ranked)}


def _role_by_hash(name: str) -> str:
    if _fraction("finetuning", name) >= FINETUNING_SHARE:
        return "pretrain"
    position = _fraction("split", name)
    if position < TEST_SHARE:
        return "test"
    return "dev" if position < TEST_SHARE + DEV_SHARE else "train"


def _fraction(salt: str, name: str) -> float:
    """A number in [0, 1) that depends on `salt` and `name` alone."""
    digest = hashlib.sha256(f"{salt}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
