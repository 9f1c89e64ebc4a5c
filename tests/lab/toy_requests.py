"""What the toy labs of these tests can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from workbench.contracts.lab.request import LabRequest, StreamRequest


@dataclass(frozen=True, slots=True)
class Echo(LabRequest[object]):
    METHOD: ClassVar[str] = "toy.echo"

    value: object


@dataclass(frozen=True, slots=True)
class OtherEcho(Echo):
    METHOD: ClassVar[str] = "other.echo"


@dataclass(frozen=True, slots=True)
class Chatter(LabRequest[str]):
    METHOD: ClassVar[str] = "toy.chatter"


@dataclass(frozen=True, slots=True)
class Refuse(LabRequest[None]):
    METHOD: ClassVar[str] = "toy.refuse"


@dataclass(frozen=True, slots=True)
class Crash(LabRequest[None]):
    METHOD: ClassVar[str] = "toy.crash"


@dataclass(frozen=True, slots=True)
class Hang(LabRequest[None]):
    METHOD: ClassVar[str] = "toy.hang"


@dataclass(frozen=True, slots=True)
class Number:
    number: int


@dataclass(frozen=True, slots=True)
class Count(StreamRequest[Number]):
    METHOD: ClassVar[str] = "toy.count"

    upto: int
    mark: str


@dataclass(frozen=True, slots=True)
class Garble(LabRequest[Number]):
    """Is answered with what is no number."""

    METHOD: ClassVar[str] = "toy.garble"


REQUESTS = (Echo, OtherEcho, Chatter, Refuse, Crash, Hang, Count, Garble)


@dataclass(frozen=True, slots=True)
class Jobs(LabRequest[int]):
    """How many jobs the model service holds."""

    METHOD: ClassVar[str] = "model.jobs"
