"""Values of any class of `workbench.contracts`, made up from the types of its fields."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping

from hypothesis import strategies as st

SIMPLE = {
    int: st.integers(-(2**40), 2**40),
    float: st.floats(allow_nan=False),
    str: st.text(st.characters(codec=None)),
    bool: st.booleans(),
    object: st.text(max_size=3) | st.none() | st.lists(st.text(max_size=3), max_size=2),
    types.NoneType: st.none(),
}


def values(hint: object) -> st.SearchStrategy:
    """Whatever a field of that type may hold."""
    if hint in SIMPLE:
        return SIMPLE[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return st.sampled_from(parts)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, parts))
    if origin is tuple and parts[1:] == (...,):
        return st.lists(values(parts[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, parts))
    if origin is Mapping:
        return st.dictionaries(values(parts[0]), values(parts[1]), max_size=3)
    hints = typing.get_type_hints(hint)
    return st.builds(hint, **{one.name: values(hints[one.name]) for one in dataclasses.fields(hint)})
