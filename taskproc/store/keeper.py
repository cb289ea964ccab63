"""The process beside an embedded server: starts it, starts it again when it dies, stops it when nobody uses its folder.

``taskproc.store.embedded`` runs this file as a script, so it needs the standard library alone. Who is there is told
by locks on files in the folder, because the kernel drops them with their process, however that ends:

    users.lock   each user shares it; the keeper gets it alone exactly when there are no users, and keeps it to its end
    keeper.lock  the keeper has it, handed over by the user that started it, so there is no moment without it
    server.lock  the server has it, handed over by the keeper, so no second server can start while the first lives

A user that arrives while the server is being stopped waits for ``users.lock``, then finds ``keeper.lock`` free and
starts anew. Lock files of a folder are never removed: a lock on a removed file would lock nobody out.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

USERS_LOCK, KEEPER_LOCK, SERVER_LOCK = "users.lock", "keeper.lock", "server.lock"
SOCKET, SOCKET_PATH, LOG = "redis.sock", "socket.path", "server.log"
TEMPORARY = "temporary"

RETIRED = ".old"
"""What is appended to the name of a socket whose server has lost its keeper."""

PREFIX = "taskproc-"
"""How temporary folders begin."""

LONGEST_SOCKET = 96
"""Bytes in the path of a socket: systems allow 103 or 107, and a retired one gets a longer name."""

STOP_SECONDS = 10.0
"""How long the server may take to stop before it is killed; a disk that works has what it answered by then."""

QUICK_SECONDS, QUICK_DEATHS = 1.0, 5
"""So many deaths in a row, each so soon after the start, and the keeper gives up."""

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0

COMMON = (
    *("--port", "0", "--unixsocketperm", "700", "--save", "", "--maxmemory-policy", "noeviction"),
    *("--loglevel", "warning", "--daemonize", "no", "--set-proc-title", "no"),
)
KEPT = ("--appendonly", "yes", "--appendfsync", "everysec")
IN_MEMORY = ("--appendonly", "no")

PR_SET_PDEATHSIG = 1


class Keeper:
    """One keeper, from its start to the end of its server."""

    def __init__(self, folder: str, binary: str, *, temporary: bool) -> None:
        self._folder = folder
        self._temporary = temporary
        self._socket = place_socket(folder)
        settings = IN_MEMORY if temporary else KEPT
        self._command = [binary, *COMMON, *settings, "--dir", folder, "--unixsocket", self._socket]
        self._bind = death_signal()
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._server = 0

    def run(self) -> int:
        """Keep the server until there are no users: 0; or until it is no use to start it again: 1."""
        # Open until this process ends: before that no user gets in again.
        users = Lock(self._folder, USERS_LOCK)
        threading.Thread(target=self._stop_after_users, args=(users,), daemon=True).start()
        quick = 0
        while self._start():
            began = time.monotonic()
            code = self._wait()
            if self._stopping.is_set():
                break
            quick = quick + 1 if time.monotonic() - began < QUICK_SECONDS else 0
            say(f"the server ended with {code}")
            # By itself it ends with an error only for a reason that stays: its settings, its data, the disk.
            if code > 0 or quick == QUICK_DEATHS:
                return 1
            self._stopping.wait(min(FIRST_PAUSE * 2**quick, LONGEST_PAUSE))
        self._remove()
        return 0

    def _start(self) -> bool:
        """Start the server once the one before has gone; False when there are no users by then."""
        lock = Lock(self._folder, SERVER_LOCK)
        try:
            while not lock.take():
                ask(self._socket + RETIRED, b"SHUTDOWN\r\n")
                time.sleep(FIRST_PAUSE)
            remove_remains(self._folder)
            with self._guard:
                if not self._stopping.is_set():
                    self._server = spawn(self._command, lock.descriptor, self._bind)
                return bool(self._server)
        finally:
            lock.close()

    def _wait(self) -> int:
        """The exit code of the server, once it has ended; negative for a signal."""
        _, status = os.waitpid(self._server, 0)
        with self._guard:
            self._server = 0
        return os.waitstatus_to_exitcode(status)

    def _stop_after_users(self, users: Lock) -> None:
        users.take(wait=True)
        with self._guard:
            self._stopping.set()
        self._signal(signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._guard:
            if self._server:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(self._server, number)

    def _remove(self) -> None:
        for path in (self._socket, self._socket + RETIRED):
            unlink(path)
        socket_folder = os.path.dirname(self._socket)
        if socket_folder != self._folder:
            unlink(os.path.join(self._folder, SOCKET_PATH))
            with contextlib.suppress(OSError):
                os.rmdir(socket_folder)
        if self._temporary:
            import shutil  # here: it would delay the start

            shutil.rmtree(self._folder, ignore_errors=True)


class Lock:
    """A file that can be locked. A lock lasts while the file is open here or in a process that has inherited it."""

    def __init__(self, folder: str, name: str) -> None:
        self.descriptor = os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT, 0o600)
        """The open file; -1 once it is closed."""

    def take(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Lock it; False when others have it and this is not to wait for them."""
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Close the file here; whoever has inherited it keeps the lock."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def release(self) -> None:
        """Give the lock up, also on behalf of those that have inherited it, and close the file."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        self.close()


def socket_path(folder: str) -> str:
    """The path of the socket; empty when it would be too long in the folder and none has been chosen elsewhere."""
    short = os.path.join(folder, SOCKET)
    if len(os.fsencode(short)) <= LONGEST_SOCKET:
        return short
    try:
        with open(os.path.join(folder, SOCKET_PATH), "rb") as file:
            return os.fsdecode(file.read())
    except FileNotFoundError:
        return ""


def place_socket(folder: str) -> str:
    """The path of the socket, chosen and written down in the folder where that is needed."""
    path = socket_path(folder)
    if os.path.dirname(path) == folder or is_ours(os.path.dirname(path)):
        return path
    import tempfile  # here: it is seldom needed, and would delay the start

    room = LONGEST_SOCKET - len(f"/{PREFIX}12345678/{SOCKET}")
    base = tempfile.gettempdir() if len(os.fsencode(tempfile.gettempdir())) <= room else "/tmp"
    path = os.path.join(tempfile.mkdtemp(prefix=PREFIX, dir=base), SOCKET)
    draft = os.path.join(folder, SOCKET_PATH + ".new")
    with open(draft, "wb") as file:
        file.write(os.fsencode(path))
    os.replace(draft, os.path.join(folder, SOCKET_PATH))
    return path


def is_ours(folder: str) -> bool:
    """Whether a folder exists, or can be made again, and belongs to this account."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        return os.lstat(folder).st_uid == os.geteuid() and os.path.isdir(folder)
    except OSError:
        return False


def spawn(command: list[str], lock: int, bind: Callable[[int], None]) -> int:
    """Start the server, which inherits the lock. Returns its process id."""
    parent = os.getpid()
    # Else a signal before the exec would be lost to our own handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        return child
    try:
        bind(parent)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        os.set_inheritable(lock, True)
        os.execv(command[0], command)
    except OSError as error:
        say(f"{command[0]} can't be started: {error.strerror}")
    finally:
        os._exit(127)


def death_signal() -> Callable[[int], None]:
    """What a child calls with its parent's process id to be told to stop when the parent dies.

    Where the system has no such thing, the next keeper stops a server that was left behind.
    """
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return lambda _: None

    def bind(parent: int) -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # it died before the call above
            os._exit(0)

    return bind


def ask(path: str, command: bytes) -> bytes:
    """What the server at a socket answers to a command; empty when there is none or it takes longer than a second."""
    import socket  # here: the keeper seldom needs it, and it would take a fifth of its start

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(path)
            connection.sendall(command)
            return connection.recv(64)
        except OSError:
            return b""


def remove_remains(folder: str) -> None:
    """Remove what a server leaves that was killed while it wrote its data anew; it may be large."""
    for name in os.listdir(folder):
        if name.startswith("temp-rewriteaof-"):
            unlink(os.path.join(folder, name))


def unlink(path: str) -> None:
    """Remove a file if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def say(text: str) -> None:
    """Write a line to the server's log."""
    os.write(2, f"{os.getpid()}:keeper {text}\n".encode(errors="replace"))


def reset_signals() -> None:
    """Outlive what is sent to the user that started us, and inherit nothing that would keep signals from the server."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the server would inherit
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main(folder: str, binary: str, keeper_lock: str, kind: str) -> int:
    """Detach from the user that started us, then keep the server."""
    reset_signals()
    os.set_inheritable(int(keeper_lock), False)
    # No child of the user: it would have to be reaped, and the user's own waiting for children would see it.
    if os.fork():
        os._exit(0)
    return Keeper(folder, binary, temporary=kind == TEMPORARY).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
