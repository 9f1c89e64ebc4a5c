"""Every request to the lab, and every answer, arrives as it was."""

from __future__ import annotations

import typing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import values

from workbench.contracts.lab import REQUESTS, wire
from workbench.contracts.lab.request import parse_answer, parse_request


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.METHOD)
@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_request_and_its_answer_cross_the_pipe_as_they_were(kind, data):
    request = data.draw(values(kind))
    line = wire.read_request(wire.write_request(7, request))
    assert (line.id, line.method, parse_request(kind, line.params)) == (7, kind.METHOD, request)
    (answer_type,) = typing.get_args(kind.__orig_bases__[0])
    answer = data.draw(values(answer_type))
    assert parse_answer(request, wire.read_reply(wire.write_result(7, answer)).body) == answer
