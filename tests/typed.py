"""Arguments of every type that handlers may name, and the handlers that take them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, NotRequired, TypedDict, TypeVar
from uuid import UUID

import pydantic

from taskproc import current_task, task
from tests.recording import note, received

if TYPE_CHECKING:
    from tests.forms import Service as Elsewhere

T = TypeVar("T")


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


class Word(enum.StrEnum):
    """An enum of texts."""

    YES = "yes"


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: Decimal


@dataclass
class Box(Generic[T]):
    """A generic dataclass."""

    item: T
    more: list[T] = field(default_factory=list)


class Movie(TypedDict):
    """A typed dictionary."""

    title: str
    seen: datetime
    stars: NotRequired[int]


class Order(pydantic.BaseModel):
    """A pydantic model."""

    id: UUID
    points: list[Point]


class Moody(pydantic.BaseModel):
    """A model that can be written and not read back when it is in a mood."""

    number: int
    mood: ClassVar[bool] = False

    @pydantic.field_validator("number")
    @classmethod
    def check(cls, number: int) -> int:
        """Raises something that pydantic doesn't know."""
        if cls.mood:
            raise KeyError(number)
        return number


@dataclass
class Holder:
    """A dataclass with a field of such a type."""

    other: Elsewhere


class Opaque:
    """A class that JSON can't hold."""


class Aliased(pydantic.BaseModel):
    """A model whose fields have other names elsewhere, and one that is worked out."""

    model_config = pydantic.ConfigDict(extra="forbid")
    user_name: str = pydantic.Field(alias="userName")
    city: str = pydantic.Field(default="", validation_alias="town")
    street: str = pydantic.Field(default="", serialization_alias="road")

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def shouted(self) -> str:
        """Worked out."""
        return self.user_name.upper()


class Cat(TypedDict):
    """One of two kinds."""

    kind: Literal["cat"]


class Dog(TypedDict):
    """The other one."""

    kind: Literal["dog"]


MISSING: Any = object()


@task
async def typed(
    *,
    open: Any = MISSING,
    text: str = MISSING,
    number: int = MISSING,
    real: float = MISSING,
    flag: bool = MISSING,
    nothing: None = MISSING,
    maybe: int | None = MISSING,
    either: int | str | None = MISSING,
    decimal: Decimal = MISSING,
    blob: bytes = MISSING,
    moment: datetime = MISSING,
    day: date = MISSING,
    span: timedelta = MISSING,
    uuid: UUID = MISSING,
    path: Path = MISSING,
    colour: Colour = MISSING,
    word: Word = MISSING,
    choice: Literal["a", "b"] = MISSING,
    numbers: list[int] = MISSING,
    plain_list: list = MISSING,  # type: ignore[type-arg]
    plain_dict: dict = MISSING,  # type: ignore[type-arg]
    group: set[int] = MISSING,
    frozen: frozenset[str] = MISSING,
    pair: tuple[int, Decimal] = MISSING,
    many: tuple[int, ...] = MISSING,
    prices: dict[str, Decimal] = MISSING,
    by_number: dict[int, UUID] = MISSING,
    point: Point = MISSING,
    maybe_point: Point | None = MISSING,
    box: Box[Point] = MISSING,
    boxes: dict[str, list[Box[Decimal]]] = MISSING,
    movie: Movie = MISSING,
    order: Order = MISSING,
    moody: Moody = MISSING,
    aliased: Aliased = MISSING,
    tagged: Annotated[int, pydantic.Field(gt=3)] = MISSING,
    tagged_kind: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")] = MISSING,
) -> None:
    """Has a parameter of every type, and keeps what it is given."""
    given = {name: value for name, value in locals().items() if value is not MISSING}
    received[current_task().id] = given
    note("typed", tag=next(iter(given), None))


@task
async def positional(first: str, /, second: Decimal, *rest: int, third: date | None = None, **others: UUID) -> None:
    """Has parameters of every kind."""
    received[current_task().id] = (first, second, rest, third, others)


@task
async def opaque(thing: Opaque) -> None:
    """Has a parameter that can't be stored."""
    note("ran")


@task
async def weigh(weight: float | None, *, unit: str = "kg") -> None:
    """Takes a number or nothing."""


@task
async def needs(number: int, text: str) -> None:
    """Has two required parameters."""
    note("ran", tag=number)


@task
async def half_known(text: str, number: Decimal, other: Elsewhere | None = None) -> Elsewhere | None:
    """Has types that only a type checker knows."""
    note("ran", tag=text)


@task
async def half_returned(text: str, number: Decimal) -> Elsewhere | None:
    """Returns such a type."""
    received[current_task().id] = (text, number)


@task
async def holds(things: list[Holder]) -> None:
    """Has such a type deep inside."""
    note("ran")


@task(executor="process")
def typed_process(point: Point, when: datetime) -> None:
    """Typed arguments in a process."""
    note("typed", given=[repr(point), repr(when)])
