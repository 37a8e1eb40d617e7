"""The commands and the Python of a page of the docs, and what the command line knows of them."""

import re
from pathlib import Path

import click
import typer

from cbi_pipeline.cli import app

#: In blocks of Python, and after the prompts of README.
_PYTHON = re.compile(r"```python\n([\s\S]*?)```|^ {4}>>> (.*)$", re.M)
#: In blocks of shell, in inline code, and indented as README does.
_MENTION = re.compile(r"(?:^ {4,}|`|^)(?:\.venv/bin/)?cbi((?: [^`\n]*)?)", re.M)


def blocks(page: Path) -> list[str]:
    """Blocks of shell, as they stand."""
    return re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)


def python_of(page: Path) -> str:
    """All Python of a page, one block after the other; what it prints is left out."""
    return "\n".join(block or line for block, line in _PYTHON.findall(page.read_text()))


def mentions(page: Path) -> list[str]:
    """What follows `cbi` wherever a page names it as a command."""
    return [found.strip() for found in _MENTION.findall(page.read_text())]


def misfit(words: str) -> str | None:
    """Why the command line would not take these words; None where it would.

    Arguments in capitals and in brackets stand for something else and are not looked at.
    """
    command: click.Command = typer.main.get_command(app)
    tokens = re.sub(r"[\[\],]", " ", words.split(" #")[0]).split()
    while isinstance(command, click.Group):
        options = {name for one in command.params for name in one.opts} | {"--help"}
        if tokens and tokens[0].startswith("-"):
            return None if tokens[0] in options else f"no option {tokens[0]}"
        if not tokens:
            return None
        name = tokens.pop(0)
        inner = command.commands.get(name)
        if inner is None:
            return f"no command {name}"
        command = inner
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    unknown = [one for one in tokens if one.startswith("--") and one not in known | {"--help"}]
    return f"{command.name} has no {', '.join(unknown)}" if unknown else None
