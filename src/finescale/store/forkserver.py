"""Starting stage programs from a process that has imported the heavy libraries already.

torch, transformers and Lightning take five seconds to import: nothing on a cluster, half the time
of a study of small models. A server, which lives as long as its parent, imports them once and forks
for each program. The program is the same, run from its beginning, in a process of its own, with the
caller's arguments, directory, environment and output. Where no server answers, it runs by itself.
"""

import contextlib
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

SOCKET_VARIABLE = "FINESCALE_FORKSERVER"
REQUEST_BYTES = 1 << 20
PASSED_ON = (signal.SIGTERM, signal.SIGUSR1)  # to the program, by its number in a byte
KILLED = 137  # what a shell reports of a program ended by SIGKILL


_servers: list[subprocess.Popen] = []  # keeps their standard inputs open


def start() -> None:
    """Start a server for the programs that this process will start.

    It ends when its standard input is closed, as happens when this process ends, however it ends.
    """
    path = Path(tempfile.mkdtemp(prefix="finescale-")) / "socket"
    server = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import serve; serve()", str(path)],
        stdin=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C is for the programs, which hear of it by their callers
    )
    os.environ[SOCKET_VARIABLE] = str(path)
    _servers.append(server)


def run_forked(preload: Sequence[str]) -> int | None:
    """Let the server run this program, and return its exit status; None where there is no server.

    `preload` names modules that the server imports, once, before it forks.
    """
    path = os.environ.pop(SOCKET_VARIABLE, None)
    # A scheduler's job must stay inside the scheduler's limits.
    if path is None or "SLURM_JOB_ID" in os.environ:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(path)
        except OSError:
            return None
        request = {
            "arguments": sys.argv,
            "folder": os.getcwd(),
            "environment": dict(os.environ),
            "preload": list(preload),
        }
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        with _passing_on(connection):
            status = connection.recv(16)
    return int(status) if status else KILLED


@contextlib.contextmanager
def _passing_on(connection: socket.socket) -> Iterator[None]:
    """Let the program have the signals that this process gets for it."""

    def pass_on(number: int, frame: object) -> None:
        with contextlib.suppress(OSError):  # the program has just ended
            connection.sendall(bytes([number]))

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve() -> None:
    """Fork for every request at the socket, the first argument, until standard input is closed."""
    path = Path(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits: callers hear from the programs
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(128)
        while True:
            readable, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in readable:
                break
            connection, _ = listener.accept()
            with connection:
                _fork_for(connection, listener)
    shutil.rmtree(path.parent, ignore_errors=True)


def _fork_for(connection: socket.socket, listener: socket.socket) -> None:
    message, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 3)
    try:
        request = json.loads(message)
        for module in request["preload"]:
            importlib.import_module(module)
        if os.fork() == 0:
            listener.close()
            _become(request, descriptors, connection)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _become(request: dict, descriptors: list[int], connection: socket.socket) -> None:
    """Be the requested program, from its beginning to the report of its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor, target in zip(descriptors, (0, 1, 2), strict=True):
        os.dup2(descriptor, target)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    finished = threading.Event()
    watch = threading.Thread(target=_hear_of_caller, args=(connection, finished))
    watch.daemon = True
    watch.start()
    status = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as leaving:
        status = _exit_status(leaving)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        finished.set()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        with contextlib.suppress(OSError):  # the caller was killed
            connection.sendall(str(status).encode())
        os._exit(status)


def _exit_status(leaving: SystemExit) -> int:
    if isinstance(leaving.code, str):
        print(leaving.code, file=sys.stderr)
        return 1
    return leaving.code or 0


def _hear_of_caller(connection: socket.socket, finished: threading.Event) -> None:
    """Get the signals that the caller passes on, and stop when the caller is gone too early.

    What the program does not handle itself stops it as Ctrl-C does: scratch folders are cleaned up.
    """
    number = None
    while number != b"" and not finished.is_set():
        number = b""
        with contextlib.suppress(OSError):
            number = connection.recv(1)
        wanted = number[0] if number else signal.SIGINT
        if not callable(signal.getsignal(wanted)):
            wanted = signal.SIGINT
        if not finished.is_set():
            # to the main thread: another one would not wake it from a sleep or a wait
            signal.pthread_kill(threading.main_thread().ident, wanted)  # type: ignore[arg-type]
