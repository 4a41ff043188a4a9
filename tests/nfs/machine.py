"""Starts Linux as a process (User-Mode Linux), with an NFS server and two clients in it, and runs nfs_cases.py there.

::

    python tests/nfs/machine.py

The kernel and the programs of NFS are Debian's packages, fetched with apt-get and unpacked into a temporary folder;
nothing is installed. The root folder of the machine is that of this computer, read-only. Where something is missing,
the program says so and ends with 0.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS = 1200

PACKAGES = (
    "user-mode-linux",
    "nfs-kernel-server",
    "nfs-common",
    "rpcbind",
    "kmod",
    "libtirpc3",
    "libtirpc-common",
    "libnfsidmap1",
    "libevent-core-2.1-7",
    "libkmod2",
    "libwrap0",
    "libvdeplug2",
)


class MissingError(Exception):
    """Something is missing on this computer."""


def unpack(folder: Path) -> Path:
    """Fetches the packages, and unpacks them into a folder. Returns the folder of the kernel's modules."""
    (folder / "packages").mkdir()
    (folder / "root").mkdir()
    fetched = subprocess.run(
        ["apt-get", "download", "-q", *PACKAGES],
        cwd=folder / "packages",
        capture_output=True,
        text=True,
    )
    if fetched.returncode != 0:
        raise MissingError(f"the packages cannot be fetched: {fetched.stderr.strip()[-300:]}")
    for package in (folder / "packages").glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder / "root"], check=True)
    found = list((folder / "root/usr/lib/uml/modules").iterdir())
    if len(found) != 1:
        raise MissingError("the package user-mode-linux has no kernel modules")
    # modprobe looks below lib/modules.
    (folder / "modules/lib").mkdir(parents=True)
    (folder / "modules/lib/modules").symlink_to(found[0].parent)
    # The link of the package leads to a program of this computer.
    (folder / "modules/modprobe").symlink_to(folder / "root/bin/kmod")
    return folder / "modules"


def boot(folder: Path, arguments: list[str]) -> int:
    """Runs the machine until it is switched off. Returns the exit status of the tests."""
    disk = folder / "disk"
    with disk.open("wb") as file:
        file.truncate(1 << 30)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    (folder / "out").mkdir()
    settings = {
        "FOLDER": folder,
        "MODULES": unpack(folder),
        "PYTHON": sys.executable,
        "CASES": HERE / "nfs_cases.py",
        "ARGUMENTS": shlex.join(arguments),
    }
    lines = [f"{name}={shlex.quote(str(value))}\n" for name, value in settings.items()]
    (folder / "settings").write_text("".join(lines))
    shutil.copy(HERE / "init.sh", folder / "init.sh")
    (folder / "init.sh").chmod(0o755)
    command = [
        folder / "root/usr/bin/linux.uml",
        *("mem=1024M", "rootfstype=hostfs", "ro", "quiet"),
        *("con=null", "con0=null,fd:1", "con1=null", "ssl=null"),
        *(f"ubda={disk}", f"uml_dir={folder}/out", f"init={folder}/init.sh"),
        f"funes={folder}/settings",
    ]
    libraries = f"{folder}/root/usr/lib/x86_64-linux-gnu:{folder}/root/lib/x86_64-linux-gnu"
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries, "TMPDIR": str(folder)}
    machine = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        machine.wait(timeout=SECONDS)
        return int((folder / "out/status").read_text())
    except subprocess.TimeoutExpired:
        print(f"the machine was stopped after {SECONDS} seconds", flush=True)
    except (OSError, ValueError):
        print(f"the machine ended with {machine.returncode} before the tests did", flush=True)
    finally:
        # Each process of the machine is one of this computer.
        with suppress(ProcessLookupError):
            os.killpg(machine.pid, signal.SIGKILL)
        machine.wait()
    return 1


def main() -> int:
    # The machine is stopped in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        if os.geteuid() != 0:
            raise MissingError("it needs root")
        for tool in ("apt-get", "dpkg", "mkfs.ext4", "ip", "unshare"):
            if shutil.which(tool) is None:
                raise MissingError(f"{tool} is missing")
        with tempfile.TemporaryDirectory(prefix="funes-nfs-") as name:
            return boot(Path(name), sys.argv[1:])
    except MissingError as error:
        print(f"NFS was not tested: {error}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
