"""Every fault that the code can note: its kinds, and whom or what it is noted of."""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import get_args

from cbi_pipeline.feeds import FeedError
from cbi_pipeline.operations.faults import Step
from cbi_pipeline.settings import PROJECT_ROOT

#: Functions that note a fault, and the place of its subject among their arguments.
NOTING = {"note_fault": 1, "settle": 0, "close_others": 1}


@dataclass(frozen=True)
class Source:
    """A file of the package, read but not run."""

    path: Path
    tree: ast.Module

    def calls(self, name: str) -> list[ast.Call]:
        """Calls of a function or method of that name."""
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call)
            and name in {getattr(node.func, "id", None), getattr(node.func, "attr", None)}
        ]

    def module(self) -> ModuleType:
        """The module itself."""
        inside = self.path.relative_to(PROJECT_ROOT).with_suffix("")
        return importlib.import_module(".".join(inside.parts))

    def spell(self, expression: ast.expr) -> str:
        """The text that an expression ends with, as far as the code spells it out."""
        match expression:
            case ast.Constant(value=str(text)):
                return text.strip()
            case ast.JoinedStr(values=[*_, ast.Constant(value=text)]):
                return text.strip()
            case ast.JoinedStr(values=[*_, ast.FormattedValue(value=last)]):
                return self.spell(last)
            case ast.Name(id=name):
                constant = getattr(self.module(), name, None)
                return constant if isinstance(constant, str) else self._spell_local(name)
        return ""

    def _spell_local(self, name: str) -> str:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
                return self.spell(node.value)
        return ""


def read_sources() -> list[Source]:
    """Every file of the package."""
    paths = sorted((PROJECT_ROOT / "cbi_pipeline").rglob("*.py"))
    return [Source(path, ast.parse(path.read_text())) for path in paths]


def find_kinds() -> set[str]:
    """Every error of a feed, and every kind that is spelt out where a fault is made."""
    made = [call for source in read_sources() for call in source.calls("Fault")]
    spelt = {call.args[2].value for call in made if isinstance(call.args[2], ast.Constant)}
    return spelt | {kind.__name__ for kind in _subclasses(FeedError)}


def _subclasses(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from _subclasses(one)


def find_subjects() -> set[str]:
    """How subjects end: a word after the name of what it is about, or all of one without."""
    noted = {
        source.spell(call.args[place])
        for source in read_sources()
        for function, place in NOTING.items()
        for call in source.calls(function)
        if len(call.args) > place
    }
    return (noted | set(get_args(Step))) - {""}
