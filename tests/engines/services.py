"""Starts the Slurm daemons on this machine, runs a command, and stops them.

::

    python tests/engines/services.py python -m pytest tests/engines

The daemons listen on loopback and keep their files in a temporary folder. They need root. If Slurm is
missing or does not start, the command runs without it. The driver programs start the other engines.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SECONDS = 30

SLURM_CONF = """
ClusterName=funes
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000
PartitionName=debug Nodes=ALL Default=YES State=UP
"""


@contextmanager
def slurm() -> Iterator[Path]:
    """Runs munged, slurmctld and slurmd; yields the configuration once the node is idle."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="funes-slurm-")))
        folder.chmod(0o755)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        munge = folder / "munge"
        munge.mkdir()
        shutil.chown(munge, "munge", "munge")
        host = socket.gethostname().split(".")[0]
        configuration = folder / "slurm.conf"
        text = SLURM_CONF.format(
            host=host, folder=folder, controller=free_port(), daemon=free_port()
        )
        configuration.write_text(text)
        os.environ["SLURM_CONF"] = str(configuration)
        key = munge / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        shutil.chown(key, "munge", "munge")
        options = [f"--{name}={munge / name}" for name in ("socket", "pid-file", "log-file")]
        options += [f"--key-file={key}", f"--seed-file={munge / 'seed'}"]
        stack.enter_context(
            daemon(["runuser", "-u", "munge", "--", "munged", "--foreground", *options], folder)
        )
        wait_for(["munge", "--no-input", f"--socket={munge / 'socket'}"], "")
        stack.enter_context(daemon(["slurmctld", "-D", "-f", str(configuration)], folder))
        stack.enter_context(daemon(["slurmd", "-D", "-f", str(configuration), "-N", host], folder))
        wait_for(["sinfo", "--noheader", "--format=%t"], "idle")
        yield configuration


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def daemon(command: list[str], folder: Path) -> Iterator[None]:
    """Runs a daemon in the foreground; ends it by its process id."""
    with (folder / "daemons.log").open("a") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(command: list[str], expected: str) -> None:
    """Polls until the daemon answers; it sends no signal when it is ready."""
    deadline = time.monotonic() + SECONDS
    while True:
        asked = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if asked.returncode == 0 and expected in asked.stdout:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{command[0]} says: {asked.stdout}{asked.stderr}")
        time.sleep(0.1)


def main(command: list[str]) -> int:
    """Runs the command, with Slurm if it is available."""
    os.environ["FUNES_ENGINES"] = "all"
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # the daemons are stopped on the way out
    needed = ("munged", "slurmctld", "slurmd", "sbatch")
    missing = [name for name in needed if shutil.which(name) is None]
    with ExitStack() as stack:
        if missing:
            print(f"No Slurm: {', '.join(missing)} not found. Install slurm-wlm.", flush=True)
        elif os.geteuid() != 0:
            print("No Slurm: its daemons need root.", flush=True)
        else:
            try:
                stack.enter_context(slurm())
            except (OSError, LookupError, TimeoutError) as error:
                os.environ.pop("SLURM_CONF", None)
                print(f"No Slurm: {error}", flush=True)
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
