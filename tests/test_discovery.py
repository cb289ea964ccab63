"""What workers are told to run: modules and packages that are included, by name, in code and on the command line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskproc import Batch, HandlerError, InvalidValue, NoSuchModule, TaskProcessor, task
from tests import handlers, typed
from tests.commands import app_of, quick
from tests.harness import Instance, refused

SHOP = {
    "__init__.py": "",
    "__main__.py": "raise SystemExit('a program, which must not begin')",
    "orders.py": """
from abc import ABC, abstractmethod
from decimal import Decimal
from taskproc import task
from tests.forms import Service
from tests.recording import note

async def order(tag: str) -> None:
    note("ran", tag=tag)

class Step(ABC):
    @abstractmethod
    async def run(self, tag: str) -> None: ...

    async def also(self, tag: str) -> None: ...

class Pack(Step):
    async def run(self, tag: str) -> None:
        note("ran", tag=tag)
""",
    "deep/__init__.py": "",
    "deep/mails.py": """
from tests.recording import note

def mail(tag: str) -> None:
    note("ran", tag=tag)
""",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with handlers, whose name nobody has used."""
    name = f"shop_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")
    for path, text in SHOP.items():
        file = tmp_path / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield name
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[module]


@pytest.mark.row("BR-03")
@pytest.mark.parametrize("how", ["option", "before", "open"])
async def test_packages_are_searched_however_deep(instance: Instance, shop: str, how: str) -> None:
    proc = instance.processor(**({"include": [shop]} if how == "option" else {}))
    if how == "before":
        proc.include(shop)
        assert f"{shop}.orders" not in sys.modules, "nothing is imported before it is opened"
    async with proc:
        if how == "open":
            proc.include(shop)
        orders, mails = sys.modules[f"{shop}.orders"], sys.modules[f"{shop}.deep.mails"]
        names = {one.name for one in proc.get_handlers() if one.name.startswith(shop)}
        assert names == {f"{shop}.orders.order", f"{shop}.orders.Pack.run", f"{shop}.deep.mails.mail"}
        await proc.enqueue_task("default", "acme", orders.order, "a")
        await proc.enqueue_task("default", "acme", mails.mail, "b")
        await proc.enqueue_task("default", "acme", orders.Pack().run, "c")
        assert await proc.run_until_idle() == 3
        assert sorted(r["tag"] for r in instance.recorded("ran")) == ["a", "b", "c"]
        with refused(instance, HandlerError, "unmarked.*is not a handler"):
            await proc.enqueue_task("default", "acme", importlib.import_module("tests.forms").unmarked)


@pytest.mark.parametrize("name", ["no.such.module", "tests.no_such_module", "tests.handlers.mark", "..handlers", "a b"])
async def test_what_is_no_module_is_told_by_its_name(instance: Instance, name: str) -> None:
    proc = instance.processor()
    with pytest.raises(NoSuchModule) as caught:
        proc.include("tests.forms", name)
    assert name in str(caught.value)
    assert isinstance(caught.value, ModuleNotFoundError)
    async with proc:  # nothing of it is left
        with pytest.raises(HandlerError):
            await proc.enqueue_task("default", "acme", importlib.import_module("tests.forms").unmarked)
    with pytest.raises(NoSuchModule):
        await instance.processor(include=[name]).open()
    with pytest.raises(InvalidValue, match="include: 5 is not a module"):
        proc.include(5)  # type: ignore[arg-type]


async def test_what_a_module_fails_to_import_is_told_as_it_is(instance: Instance, shop: str, tmp_path: Path) -> None:
    (tmp_path / shop / "broken.py").write_text("import nobody_has_written_this\n")
    with pytest.raises(ModuleNotFoundError, match="nobody_has_written_this") as caught:
        await instance.processor(include=[shop]).open()
    assert not isinstance(caught.value, NoSuchModule)


def mark_again() -> None:
    """A handler of a name that is taken."""


@pytest.mark.row("BE-03", "PJ-26")
async def test_two_handlers_of_one_name_are_refused(instance: Instance, shop: str, tmp_path: Path) -> None:
    with pytest.raises(HandlerError, match=r"two handlers are named 'tests.handlers.mark': tests.handlers.mark, handlers"):
        task(name="tests.handlers.mark")(mark_again)
    (tmp_path / shop / "twice.py").write_text("async def mark() -> None: ...\nmark.__module__ = __name__\n")
    async with instance.open() as proc:
        module = importlib.import_module(f"{shop}.twice")
        handlers_module, module.mark.__qualname__ = module.mark.__module__, "order"
        sys.modules[f"{shop}.twice"].order = importlib.import_module(f"{shop}.orders").order
        module.order.__module__ = handlers_module
        with pytest.raises(HandlerError, match=f"two handlers are named '{shop}.twice.order'"):
            proc.include(f"{shop}.twice")
        await proc.enqueue_task("default", "acme", handlers.mark, "still")
        assert await proc.run_until_idle() == 1


# what a handler is for


@pytest.mark.row("BR-01", "BR-05")
async def test_handlers_of_one_payload_and_payloads_of_one_handler_are_told_apart(instance: Instance) -> None:
    point, order = typed.Point(1, typed.Decimal("2.50")), typed.Order(id=typed.UUID(int=3), points=[])
    async with instance.open(max_workers=5) as proc:

        def build(batch: Batch) -> None:
            for n in range(20):
                batch.enqueue(take_a, point, n)
                batch.enqueue(take_b, point, n)
                batch.enqueue(take_either, (point, order)[n % 2], n)

        await proc.enqueue_batch("default", "acme", build)
        assert await proc.run_until_idle() == 60
        assert await proc.get_dead_tasks() == []
    for name in "ab":
        assert sorted(tag for who, tag, _ in taken if who == name) == list(range(20))
    assert all(given == point for who, _, given in taken if who != "either")
    assert all(given == (point, order)[tag % 2] for who, tag, given in taken if who == "either")
    assert all(type(given) in (typed.Point, typed.Order) for *_, given in taken)


taken: list[tuple[str, int, Any]] = []


@task
async def take_a(point: typed.Point, tag: int) -> None:
    """One handler of a payload."""
    taken.append(("a", tag, point))


@task
async def take_b(point: typed.Point, tag: int) -> None:
    """Another."""
    taken.append(("b", tag, point))


@task
async def take_either(payload: typed.Point | typed.Order, tag: int) -> None:
    """A handler of two payloads."""
    taken.append(("either", tag, payload))


# on the command line


async def test_the_command_lists_handlers_and_where_they_are(instance: Instance, shop: str) -> None:
    told = app_of(instance)
    done = await quick("handlers", "tests.app:proc", "--include", shop, "--json", **told)
    assert done.code == 0, done.err
    found = {one["name"]: one for one in done.json["handlers"]}
    assert found["renamed"]["aliases"] == ["before.renaming"]
    assert found["tests.handlers.placed"]["queue"] == "elsewhere"
    assert found["tests.handlers.nap_process"]["kind"] == "process"
    assert found["raw.echo"]["options"] == {"raw": True}
    assert found["tests.handlers.nap"]["parameters"] == "(seconds: float, tag: object = None)"
    assert found[f"{shop}.deep.mails.mail"]["kind"] == "thread"
    assert found["tests.handlers.mark"]["where"].startswith("tests.handlers.mark, handlers.py:")
    table = await quick("handlers", "tests.app:proc", **told)
    assert table.code == 0
    assert "tests.forms.Service.greet" in table.out
    for command in ("handlers", "worker"):
        wrong = await quick(command, "tests.app:proc", "--include", "no.such.module", **told)
        assert (wrong.code, wrong.out) == (2, "")
        assert "include: No module named 'no.such.module'" in wrong.err


async def test_a_worker_runs_what_its_command_includes(instance: Instance, shop: str, tmp_path: Path) -> None:
    told = {"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"}
    for arguments in ([], ["--processes", "2"]):
        instance.process("--include", shop, *arguments, env=told, wait=not arguments)
    async with instance.open(include=[shop]) as proc:
        await proc.enqueue_task("default", "acme", sys.modules[f"{shop}.deep.mails"].mail, "a")
        await instance.wait_records(1, "ran", seconds=20)
        instance.workers[0].kill()
        await proc.enqueue_task("default", "acme", sys.modules[f"{shop}.deep.mails"].mail, "b")
        await instance.wait_records(2, "ran", seconds=20)
    instance.workers[1].signal(15)
    assert instance.workers[1].wait() == 0


def test_a_private_processor_includes_as_well() -> None:
    proc = TaskProcessor("embedded://")
    proc.include("tests.forms", typed)
    assert "tests.forms.unmarked" in {one.name for one in proc.get_handlers()}
