"""Makes the pictures of the documentation: docs/images/terminal.svg, notebook.png, report.png and digits.png.

    python scripts/screenshots.py [picture...]

A small study runs in a temporary folder. The terminal is a pseudo terminal, whose output rich draws. The notebook and
the report are pages in Chromium (`apt-get install chromium-driver`). Dates and durations differ from run to run, and
are replaced, so that a picture changes only if funes does.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"

COLUMNS, ROWS = 100, 60

STUDY = """
import time
from funes import grid, memorious

DECAY = 0.9

@memorious
def train(lr, depth, optimizer):
    time.sleep(0.2)
    speed = lr * {decay} * (1.0 if optimizer == "sgd" else 1.4)
    loss = (1 - min(speed, 1.7)) ** 2 + 0.02 * (depth - 6.5) ** 2 + 0.02
    return {{"loss": round(loss, 4), "steps": 100 * depth}}

GRID = grid(lr=[0.1, 0.2, 0.4, 0.8, 1.2], depth=[2, 4, 6, 8], optimizer=["sgd", "adam"])

if __name__ == "__main__":
    train.map(GRID, executor=4).results()
"""
BEFORE, AFTER = STUDY.format(decay="DECAY"), STUDY.format(decay="DECAY ** 2")

#: What is typed in the terminal.
SESSION = (
    "python study.py",
    "sed -i 's/lr [*] DECAY/& ** 2/' study.py",
    "funes status study",
    "funes explain study:train 0.4 4 sgd",
    "funes show train --sort loss --limit 6",
    "funes ls",
)

#: What differs from run to run, and what is shown instead.
REPLACED = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-12-01 10:00"),
    (r"\b2\d\d ms\b", "200 ms"),
    (r"\b8\.\d+ s\b", "8.0 s"),
    (r"\b16\.\d+ s\b", "16.0 s"),
    (r"\[00:\d\d<00:00, +[\d.]+point/s", "[00:02<00:00, 20.00point/s"),
    (rf"{tempfile.gettempdir()}/\S*/study/", "~/study/"),
)

CELLS = (
    """from funes import grid, memorious

DECAY = 0.9

@memorious
def train(lr, epochs):
    loss = 1.0
    for _ in range(epochs):
        loss *= 1 - lr * DECAY
    return loss

train.map(grid(lr=[0.1, 0.2, 0.4], epochs=[10, 20]), progress=False).results()
train""",
    """@memorious
def train(lr, epochs):
    loss = 1.0
    for _ in range(epochs):
        loss *= 1 - lr * DECAY ** 2
    return loss

train.explain(0.1, 20)""",
    "train.map(grid(lr=[0.1, 0.2, 0.4], epochs=[10, 20]))",
)


def replaced(text: str) -> str:
    """Returns a text without what differs from run to run."""
    for pattern, shown in REPLACED:
        text = re.sub(pattern, shown, text)
    return text


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of the study: only the installed funes, and no settings of the caller."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("FUNES_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "TERM": "xterm-256color", "HOME": str(folder), "TZ": "UTC"}


def typed(command: str, folder: Path) -> str:
    """Runs a command in a pseudo terminal, and returns what it prints, with the codes of its colours."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        shlex.split(command), cwd=folder, env=environment(folder),
        stdin=follower, stdout=follower, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    printed = b""
    while True:
        try:
            some = os.read(leader, 65536)
        except OSError:  # Linux says so at the end
            break
        if not some:
            break
        printed += some
    os.close(leader)
    process.wait()
    return printed.decode().replace("\r\n", "\n")


def terminal(folder: Path, picture: Path) -> None:
    """Draws a session in a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    (folder / "study.py").write_text(BEFORE)
    for command in SESSION:
        console.print(Text(f"$ {command}", style="bold"))
        output = replaced(typed(command, folder)).rstrip("\n")
        if output:
            console.print(Text.from_ansi(output))
    picture.write_text(console.export_svg(title="funes", unique_id="terminal"), encoding="utf-8")


def browser() -> Any:
    """Starts Chromium without a window."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.add_argument("--force-device-scale-factor=1.5")
    options.add_argument("--window-size=1000,1300")
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


#: Replaces texts of the open page.
REPLACING = """
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode())
  for (const [pattern, shown] of arguments[0])
    walker.currentNode.data = walker.currentNode.data.replace(new RegExp(pattern, "g"), shown);
"""


def photographed(page: Path, picture: Path, selector: str, prepare: str = "") -> None:
    """Writes the picture of an element of a page, with few colours, which makes it small."""
    from PIL import Image

    driver = browser()
    try:
        driver.get(page.as_uri())
        driver.execute_script(REPLACING, REPLACED)
        driver.execute_async_script(f"{prepare}\nsetTimeout(arguments[arguments.length - 1], 1500)")
        image = driver.find_element("css selector", selector).screenshot_as_png
    finally:
        driver.quit()
    Image.open(io.BytesIO(image)).convert("RGB").quantize(128).save(picture, optimize=True)


def notebook(folder: Path, picture: Path) -> None:
    """Draws an executed notebook."""
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    os.chdir(folder)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    NotebookClient(book, timeout=120).execute()
    page, _ = HTMLExporter().from_notebook_node(book)
    (folder / "notebook.html").write_text(page, encoding="utf-8")
    photographed(folder / "notebook.html", picture, "main")


def report(folder: Path, picture: Path) -> None:
    """Draws the page of `funes report`."""
    for text in (BEFORE, AFTER):
        (folder / "study.py").write_text(text)
        typed("python study.py", folder)
    typed("funes report train -o report.html", folder)
    padding = "document.querySelector('section.function').style.padding = '12px 20px'"
    photographed(folder / "report.html", picture, "section.function", padding)


def digits(folder: Path, picture: Path) -> None:
    """Runs the demo, which draws its results itself."""
    program = [
        sys.executable,
        ROOT / "examples" / "digits.py",
        "--workers",
        "2",
        "--picture",
        picture,
    ]
    done = subprocess.run(
        program, cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL, check=False
    )
    done.check_returncode()


PICTURES: dict[str, Callable[[Path, Path], None]] = {
    "terminal.svg": terminal,
    "notebook.png": notebook,
    "report.png": report,
    "digits.png": digits,
}


def main(names: list[str]) -> None:
    """Makes the pictures with these names, by default all."""
    for name in names or PICTURES:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent, "study")
            folder.mkdir()
            PICTURES[name](folder, IMAGES / name)
        print(f"docs/images/{name}: {(IMAGES / name).stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
