"""One thread, one pending snapshot, the newest wins, nothing new is nothing said."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from workbench.core.errors import QueryError
from workbench.tui.feed import Feed


@dataclass(frozen=True)
class Ask:
    what: str

    def read(self, registry):
        if self.what == "bad":
            raise QueryError("no such word", column=3)
        if self.what == "broken":
            raise ZeroDivisionError("of the reader")
        return registry.answers[self.what]


class AskWithPulse(Ask):
    beats = 0

    def pulse(self):
        return AskWithPulse.beats


class Registry:
    def __init__(self, **answers):
        self.answers = answers
        self.notices = []

    def count(self, filter=""):
        return 0


class Source:
    def __init__(self, registry):
        self.registry = registry
        self.news = threading.Event()
        self.closed = False

    def poll(self):
        changed = frozenset({"r"}) if self.news.is_set() else frozenset()
        self.news.clear()
        return changed

    def close(self):
        self.closed = True


class Desk:
    """A feed with a list of what it told."""

    def __init__(self, **answers):
        self.source = Source(Registry(**answers))
        self.told = threading.Semaphore(0)
        self.feed = Feed(lambda: self.source, self.told.release, busy=0.01, idle=0.01)

    def __enter__(self):
        self.feed.start()
        return self

    def __exit__(self, *_):
        self.feed.stop()

    def next(self):
        assert self.told.acquire(timeout=5)
        return self.feed.take()

    def quiet(self, seconds=0.15):
        return not self.told.acquire(timeout=seconds)

    def ask(self, what, make=Ask):
        self.feed.ask(make(what))
        return self.until(lambda snapshot: snapshot.request == make(what))

    def until(self, wanted):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            snapshot = self.next()
            if snapshot is not None and wanted(snapshot):
                return snapshot
        raise AssertionError("it never came")


def test_a_request_is_answered_at_once_and_then_only_with_news():
    with Desk(runs=("a",)) as desk:
        assert desk.ask("runs").body == ("a",)
        assert desk.quiet()
        desk.source.registry.answers["runs"] = ("a", "b")
        assert desk.quiet()  # nobody said that anything changed
        desk.source.news.set()
        assert desk.next().body == ("a", "b")


def test_news_that_changes_nothing_on_screen_is_not_told():
    with Desk(runs=("a",)) as desk:
        desk.ask("runs")
        desk.source.news.set()
        assert desk.quiet()


def test_a_slow_screen_gets_the_newest_only():
    desk = Desk(n=0)
    with desk:
        desk.ask("n")
        for number in range(1, 6):
            desk.source.registry.answers["n"] = number
            desk.source.news.set()
            while desk.source.news.is_set():
                time.sleep(0.005)
        time.sleep(0.1)
        assert desk.next().body == 5
        assert desk.quiet()  # the four before it were replaced, and told once


def test_what_follows_a_file_is_read_without_news():
    with Desk(tail=1) as desk:
        desk.ask("tail", AskWithPulse)
        desk.source.registry.answers["tail"] = 2
        assert desk.quiet()  # neither news nor a beat
        AskWithPulse.beats += 1
        assert desk.until(lambda snapshot: snapshot.body == 2)


def test_a_filter_that_does_not_parse_comes_back_as_its_error():
    with Desk() as desk:
        snapshot = desk.ask("bad")
        assert isinstance(snapshot.error, QueryError)
        assert snapshot.error.column == 3
        assert desk.quiet()


def test_a_broken_reader_is_told_once_and_does_not_end_the_feed():
    with Desk(runs=1) as desk:
        broken = desk.ask("broken")
        assert "ZeroDivisionError" in broken.error.sentence
        assert desk.quiet()
        assert desk.ask("runs").body == 1


def test_the_source_is_closed_with_the_feed():
    with Desk() as desk:
        desk.next()
    assert desk.source.closed
