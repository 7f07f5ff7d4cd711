"""A SLURM of one node on this machine, for tests: real daemons, fake GPUs, no accounting.

Needs root and Debian's slurm-wlm and munge (`make test-slurm` installs them). Snakemake's plugin
drops SLURM_CONF inside of jobs, so the configuration has to lie where SLURM looks by itself. A
configuration there that is not of these tests is left alone.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SYSTEM = Path("/etc/slurm")
OURS = "# written by finescale's tests, removed when they end\n"
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun")
FAKE_GPUS = ("/dev/null", "/dev/zero")
START_SECONDS = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("slurm")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Cluster"]:
    """The cluster that the tests of this folder share."""
    reason = obstacle()
    if reason is not None:
        pytest.skip(f"no SLURM can be started here: {reason}")
    with running(tmp_path_factory.mktemp("slurm")) as started:
        yield started


def obstacle() -> str | None:
    """Why no cluster can be started here; None when it can."""
    if os.geteuid() != 0:
        return "only root can start SLURM's daemons"
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: slurm-wlm and munge)"
    if (SYSTEM / "slurm.conf").exists() and not _is_ours(SYSTEM / "slurm.conf"):
        return f"this machine belongs to a cluster already ({SYSTEM}/slurm.conf)"
    return None


@dataclass(frozen=True)
class Cluster:
    """A running cluster; `folder` holds its state and logs."""

    folder: Path
    node: str

    def jobs(self) -> list[dict[str, str]]:
        """Every job that the controller remembers, oldest first."""
        names = ("id", "state", "name", "comment", "reason")
        lines = run("squeue", "--all", "--states=all", "--noheader", "-o", "%i|%T|%j|%k|%r")
        rows = [dict(zip(names, line.split("|"), strict=True)) for line in lines.splitlines()]
        return sorted(rows, key=lambda row: int(row["id"]))

    def wait_for_job(self, state: str, after: str = "0", seconds: float = 120) -> str:
        """The id of the first job younger than `after` that is in a state, once there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for job in self.jobs():
                if job["state"] == state and int(job["id"]) > int(after):
                    return job["id"]
            time.sleep(0.5)
        raise TimeoutError(f"no job is {state} after {seconds} s: {self.jobs()}")

    def wait_until_done(self, seconds: float = 300) -> None:
        """Until no job is left, those of a killed Snakemake included."""
        deadline = time.monotonic() + seconds
        while {"PENDING", "RUNNING", "COMPLETING"} & {job["state"] for job in self.jobs()}:
            if time.monotonic() > deadline:
                raise TimeoutError(f"jobs are left after {seconds} s: {self.jobs()}")
            time.sleep(0.5)

    def details(self, job: str) -> str:
        """All that the controller knows of a job."""
        return run("scontrol", "show", "job", job)

    def since(self, last: str) -> list[dict[str, str]]:
        """The jobs that are younger than one."""
        return [job for job in self.jobs() if int(job["id"]) > int(last)]

    @property
    def last(self) -> str:
        """The youngest job."""
        return self.jobs()[-1]["id"] if self.jobs() else "0"


def run(*command: str) -> str:
    """Standard output of one of SLURM's commands."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Start a cluster, and stop all that was started at the end."""
    _stop_leftovers()
    node = socket.gethostname().split(".")[0]
    _write_configuration(folder, node)
    try:
        _start_daemons(folder)
        _wait_until_idle(folder)
        yield Cluster(folder, node)
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            subprocess.run(["scancel", "--user=root"], timeout=20, capture_output=True)
        _stop(folder)


def _is_ours(configuration: Path) -> bool:
    return configuration.read_text().startswith(OURS)


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _write_configuration(folder: Path, node: str) -> None:
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True, mode=0o700)
    key = folder / "munge/key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    controller_port, node_port = _free_ports(2)  # another SLURM may run here
    cores = os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    gpus = f"NodeName={node} Name=gpu File={','.join(FAKE_GPUS)}\n"
    main = f"""ClusterName=finescale-tests
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
GresTypes=gpu
ReturnToService=2
KillWait=15
MinJobAge=86400
NodeName={node} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:{len(FAKE_GPUS)}
PartitionName=all Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""
    SYSTEM.mkdir(exist_ok=True)
    (SYSTEM / "slurm.conf").write_text(f"{OURS}# in {folder}\n{main}")
    (SYSTEM / "gres.conf").write_text(OURS + gpus)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]


def _start_daemons(folder: Path) -> None:
    munge = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log"}
    options = [f"--{option}={folder}/munge/{name}" for option, name in munge.items()]
    environment = os.environ | {"PATH": _path()}
    seed = f"--seed-file={folder}/munge/seed"
    for command in (["munged", "--force", seed, *options], ["slurmctld", "-c"], ["slurmd"]):
        subprocess.run(command, check=True, env=environment)


def _wait_until_idle(folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "idle" not in _node_state():
        if time.monotonic() > deadline:
            logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
            raise TimeoutError(f"SLURM did not start within {START_SECONDS} s:\n{logs}")
        time.sleep(0.2)


def _node_state() -> str:
    asked = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
    return asked.stdout


def _stop_leftovers() -> None:
    """Stop the cluster of a test run that was killed."""
    configuration = SYSTEM / "slurm.conf"
    if configuration.exists() and _is_ours(configuration):
        _stop(Path(configuration.read_text().splitlines()[1].removeprefix("# in ")))


def _stop(folder: Path) -> None:
    for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            os.kill(int((folder / name).read_text()), signal.SIGTERM)
    for name in ("slurm.conf", "gres.conf"):
        if (SYSTEM / name).exists() and _is_ours(SYSTEM / name):
            (SYSTEM / name).unlink()
