"""The filter language: what it finds, where it points when it cannot, and that nothing breaks it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.core.errors import QueryError
from workbench.registry import Registry, times
from workbench.registry.database import connect_empty
from workbench.registry.migrations import create_in_memory
from workbench.registry.query import parse

NOW = 1_790_100_000.0
DAY = 86_400.0


@pytest.fixture
def names(write_run, ingestor, registry):
    """A few runs, and what a filter finds of them, by name and in order."""
    a = write_run("alpha-bert", at=NOW - 5 * DAY, tags=["Baseline", "fold-1"], seed=1).started()
    a.clock = NOW - 5 * DAY + 3600
    a.trainer("eval", step=1, scalars={"eval/f1": 0.70, "eval/loss": 0.9})
    a.trainer("eval", step=2, scalars={"eval/f1": 0.90, "eval/loss": 0.2})
    a.trainer("eval", step=3, scalars={"eval/f1": 0.80, "eval/loss": 0.4}).completed()
    b = write_run("beta-gpt", at=NOW - DAY, task="causal-lm", notes="冷启动失败 after a cold start", seed=2,
                  train={"learning_rate": 1e-5, "optimizer": "adamw", "group_by_length": False})  # fmt: skip
    b.trainer("eval", step=1, scalars={"eval/f1": 0.85, "eval/loss": float("inf")})
    b.trainer("finished", state="failed", reason="CUDA out of memory")
    write_run("gamma 中文 50%_off", at=NOW - 60, tags=["fold-2"], seed=3, data={"source": "ag_news"})
    ingestor.poll()

    def ask(text: str) -> list[str]:
        return [row.name.split("-")[0].split()[0] for row in registry.runs(text)]

    return ask


ALL = ["gamma", "beta", "alpha"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ALL),
        ("   ", ALL),
        ("bert", ["alpha"]),
        ("BERT", ["alpha"]),
        ("a", ALL),
        ("中文", ["gamma"]),
        ("启动", ["beta"]),
        ("冷启动失败", ["beta"]),
        ('"cold start"', ["beta"]),
        ("cold start", ["beta"]),
        ('"start cold"', []),
        ("50%_off", ["gamma"]),
        ("0%", ["gamma"]),
        ("%", ["gamma"]),
        ("fold", ["gamma", "alpha"]),
        ("tag:baseline", ["alpha"]),
        ("tag:fold", []),
        ("tag!=baseline", ["gamma", "beta"]),
        ("state:completed", ["alpha"]),
        ("state:ended", ["beta", "alpha"]),
        ("state:live", ["gamma"]),
        ("state!=live", ["beta", "alpha"]),
        ("task:causal", ["beta"]),
        ("task=text-classification", ["gamma", "alpha"]),
        ("model:BERT-base", ALL),
        ("data:imdb", ["beta", "alpha"]),
        ("notes:cold", ["beta"]),
        ("reason:cuda", ["beta"]),
        ("name:gam", ["gamma"]),
        ("name=alpha-bert", ["alpha"]),
        ("train.learning_rate<=3e-5", ["beta"]),
        ("train.learning_rate>3e-5", ["gamma", "alpha"]),
        ("train.learning_rate=5e-5", ["gamma", "alpha"]),
        ("train.learning_rate!=0.00005", ["beta"]),
        ("train.group_by_length=true", ["gamma", "alpha"]),
        ("train.group_by_length:false", ["beta"]),
        ("train.optimizer:adam", ALL),
        ("train.optimizer=adam", []),
        ("seed=2", ["beta"]),
        ("seed >= 2", ["gamma", "beta"]),
        ("eval/f1>=.85", ["beta"]),
        ("last(eval/f1)>=.8", ["beta", "alpha"]),
        ("max(eval/f1)>=.9", ["alpha"]),
        ("best(eval/f1)=.9", ["alpha"]),
        ("best(eval/loss)=.2", ["alpha"]),
        ("first(eval/f1)<.75", ["alpha"]),
        ("min(eval/loss)<0.3", ["alpha"]),
        ("count(eval/f1)=3", ["alpha"]),
        ("eval/loss>1e9", ["beta"]),
        ("eval/loss=Infinity", ["beta"]),
        ("no/metric>0", []),
        ("not eval/f1>=.85", ["gamma", "alpha"]),
        ("-eval/f1>=.85", ["gamma", "alpha"]),
        ("not not beta", ["beta"]),
        ("alpha or beta", ["beta", "alpha"]),
        ("alpha OR beta", ["beta", "alpha"]),
        ("alpha and beta", []),
        ("alpha or beta state:failed", ["beta", "alpha"]),
        ("(alpha or beta) state:failed", ["beta"]),
        ("not (alpha or beta)", ["gamma"]),
        ("created>2d", ["gamma", "beta"]),
        ("created<2d", ["alpha"]),
        ("created>1h30m", ["gamma"]),
        ("finished>1d", ["beta"]),
        ("duration<2m", ["beta"]),
        ("duration<2h", ["beta", "alpha"]),
        ("duration>30m", ["alpha"]),
        ("attempt>=1", ["beta", "alpha"]),
        ("sort:name", ["alpha", "beta", "gamma"]),
        ("sort:-name", ["gamma", "beta", "alpha"]),
        ("sort:-max(eval/f1)", ["alpha", "beta", "gamma"]),
        ("sort:max(eval/f1)", ["beta", "alpha", "gamma"]),
        ("sort:eval/f1 state:ended", ["alpha", "beta"]),
        ("sort:train.learning_rate", ["beta", "gamma", "alpha"]),
        ("sort:-seed", ["gamma", "beta", "alpha"]),
        ("sort:task sort:name", ["beta", "alpha", "gamma"]),
        ("sort:-live sort:created", ["gamma", "alpha", "beta"]),
        ("sort:created bert", ["alpha"]),
        ('"http://x.y/z=1"', []),
        ("a-b", ["alpha"]),
    ],
)
def test_what_a_filter_finds(names, monkeypatch, text, found):
    monkeypatch.setattr("workbench.registry.times.time.time", lambda: NOW)
    assert names(text) == found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("1m", 60), ("1min", 60), ("1h", 3600), ("1d", 86_400), ("1w", 604_800), ("1y", 31_536_000),
     ("1.5h", 5400), ("1h30m", 5400), ("1D2H", 93_600), ("90", 90), ("0", 0), ("0.5", 0.5)],
)  # fmt: skip
def test_a_length_of_time_is_so_many_seconds(text, seconds):
    assert times.length(text, 0) == seconds
    if text[-1].isalpha():
        assert times.span(text, NOW, 0) == (NOW - seconds, NOW - seconds)


def test_a_day_is_from_midnight_to_midnight():
    day = parse("created:2026-01-31").params
    assert day[1] - day[0] == DAY
    assert parse("created>2026-01-31").params == (day[1],)
    assert parse("created>=2026-01-31").params == (day[0],)
    assert parse("created<2026-01-31").params == (day[0],)
    assert parse("created<=2026-01-31").params == (day[1],)
    assert parse("created>2026-01-31T12:00").params == ((day[0] + day[1]) / 2,)
    assert parse("created>yesterday", now=day[1] + 60).params == (day[1],)
    assert parse("created>1w", now=7 * DAY).params == (0.0,)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("bert and", 8),
        ("bert or", 7),
        ("or bert", 0),
        ("(bert", 0),
        ("bert)", 4),
        ("bert ()", 6),
        ("not", 3),
        ("state:unheard", 6),
        ("state<failed", 0),
        ("name<x", 0),
        ("eval/f1>", 8),
        ("bert eval/f1>high", 13),
        ("eval/f1>=nan", 9),
        ("max(eval/f1)", 0),
        ("bert max(eval/f1) x", 5),
        ("train.learning_rate<fast", 20),
        ("created>whenever", 8),
        ("created>2026-02-30", 8),
        ("duration>soon", 9),
        ("step>x", 5),
        ('"open', 0),
        ('name:"open', 5),
        ("sort:", 5),
        ("sort:tag", 5),
        ("sort:-notes", 6),
        ("(sort:name)", 1),
        ("not sort:name", 0),
        ("not(" * 60 + "a" + ")" * 60, 100),
        ("a " * 300, 400),
    ],
)
def test_a_filter_that_does_not_parse_points_at_where(text, column):
    with pytest.raises(QueryError) as refused:
        parse(text)
    assert refused.value.column == column
    assert "\n" not in str(refused.value)


def test_a_field_that_no_run_has_is_told_with_the_nearest(names, registry: Registry):
    with pytest.raises(QueryError, match=r"did you mean train\.learning_rate") as refused:
        registry.runs("bert train.lerning_rate<1")
    assert refused.value.column == 5
    with pytest.raises(QueryError, match="did you mean eval/f1"):
        registry.count("f1>0.5")
    with pytest.raises(QueryError):
        registry.runs("sort:learning")


def test_an_empty_registry_refuses_no_field(registry: Registry):
    assert registry.runs("train.learning_rate<1") == []


_PIECES = st.sampled_from([
    "and", "or", "not", "(", ")", "-", " ", '"', "sort:", "state:", "tag:", "max(", "eval/f1", "<=", ">", ":", "=",
    "train.learning_rate", "created", "2d", "0.3", "!=", "中文", "%", "_", "\\", "'", "\0", "NaN", "1e999", "*",
    "\ud800",
])  # fmt: skip


@pytest.fixture(scope="module")
def empty():
    """A registry without runs, asked over and over."""
    connection = connect_empty()
    create_in_memory(connection)
    yield connection
    connection.close()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=25).map("".join)))
def test_whatever_is_typed_is_a_filter_or_a_query_error(empty, text):
    try:
        found = parse(text)
    except QueryError as error:
        assert 0 <= error.column <= len(text)  # noqa: PT017  # either outcome is right, each in its own way
        return
    order = f"ORDER BY {found.order}" if found.order else ""
    empty.execute(f"SELECT pk FROM run WHERE {found.sql} {order}", (*found.params, *found.order_params)).fetchall()


_TERMS = st.sampled_from([
    "bert", "中文", "tag:baseline", "state:ended", "eval/f1>.8", "max(eval/f1)>.8", "seed>1", "created>2d",
    '"cold start"',
])  # fmt: skip
_FILTERS = st.recursive(
    _TERMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} or {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} and {two[1]})"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_FILTERS, _FILTERS)
def test_logic_holds(names, one, other):
    every, first, second = set(ALL), set(names(one)), set(names(other))
    assert set(names(f"not ({one})")) == every - first
    assert set(names(f"({one}) or ({other})")) == first | second
    assert set(names(f"({one}) ({other})")) == first & second
