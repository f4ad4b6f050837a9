# SPDX-License-Identifier: GPL-2.0-only
"""What musctl and mus-userland say in --help, taken apart."""
import dataclasses
import os
import pathlib
import re
import subprocess

SOURCE = pathlib.Path(os.environ.get("MUS_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BIN = pathlib.Path(os.environ.get("MUS_BUILD_DIR", "build")).resolve() / "bin"
MUSCTL = BIN / "musctl"
DAEMON = BIN / "mus-userland"


@dataclasses.dataclass
class Page:
    command: tuple
    flags: list
    positionals: list
    subcommands: list


def read_page(program, *command):
    text = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True).stdout
    page, section = Page(command, [], [], []), None
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            section = line[:-1]
        elif match := re.match(r"  (\S+)", line):
            if section == "Options":
                page.flags += match[1].split(",")
            elif section == "Positionals":
                page.positionals.append(match[1])
            elif section == "Subcommands":
                page.subcommands.append(match[1])
        elif line and not line.startswith(" "):
            section = None
    return page


def musctl_pages(*command):
    page = read_page(MUSCTL, *command)
    yield page
    for name in page.subcommands:
        yield from musctl_pages(*command, name)
