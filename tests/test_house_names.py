"""Names are the field's: no private word stands for a thing, and a package offers what is taken."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from cbi_pipeline.commands.console import EXPECTED_ERRORS
from cbi_pipeline.settings import PROJECT_ROOT
from tests.docs.commands import python_of

PACKAGES = ("cbi_pipeline", "data_contracts")
SOURCES = sorted(path for name in PACKAGES for path in (PROJECT_ROOT / name).rglob("*.py"))
#: Words that say nothing of what they name.
PRIVATE = {
    *("known", "one", "found", "told", "place", "said", "held", "able", "young", "standing"),
    *("reign", "speech", "trial", "shelf"),
}
#: Participles without the ending *ed*, and adjectives: what a thing is, not what a function does.
STATES = {
    *("built", "brought", "drawn", "due", "given", "gone", "kept", "known", "left", "lost", "made"),
    *("sent", "shown", "spoken", "standing", "told", "torn", "unset", "worst", "written"),
    *("absent", "absolute", "ahead", "alike", "canonical", "central", "common", "consistent"),
    *("distinct", "earlier", "fixed", "fresh", "incomplete", "independent", "later", "latest"),
    *("nearest", "newest", "older", "partly", "plain", "present", "printable", "readable"),
    *("recent", "related", "short", "sound", "unknown", "unreadable", "visible", "whole", "wide"),
    *("alerting", "listening", "reading", "rising", "rolling", "sending", "writing"),
}
#: Verbs that end as participles do.
VERBS = {"feed", "seed", "speed", "need", "embed", "proceed"}
#: Names that saved models carry: the positions' weights of a patch transformer.
SAVED = {("cbi_pipeline/forecasting/networks/patch_transformer.py", "place")}
#: Packages that people import too, with the pages whose Python shows them which names, and how.
OFFERED_TO_USERS = {
    "cbi_pipeline": PROJECT_ROOT / "README.md",
    "cbi_pipeline.forecasting": PROJECT_ROOT / "docs" / "notebook.md",
}

#: Names that the code of versions registered by earlier releases takes: it runs beside this one.
CARRIED = {"cbi_pipeline.forecasting": {"Forecaster"}}


def label(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


def names(path: Path, tree: ast.Module) -> Iterator[str]:
    """Every name that a module gives: its own, functions, classes, parameters, what is assigned."""
    yield path.stem
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.MatchAs(name=str(name)) | ast.ExceptHandler(name=str(name)):
                yield name


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_no_private_word_is_a_name(path):
    given = set(names(path, ast.parse(path.read_text())))
    private = {name for name in given if name.strip("_").lower() in PRIVATE}
    assert private - {name for file, name in SAVED if file == label(path)} == set()


@pytest.mark.parametrize(
    "text",
    [
        "def known(): ...",
        "def _known(): ...",
        "class Shelf: ...",
        "def read(held): ...",
        "found = 1",
        "self.told = 1",
        "x = [one for one in y]",
        "if (said := x): ...",
        "import a as place",
    ],
)
def test_a_private_word_is_seen_wherever_it_names_something(text):
    assert {name.strip("_").lower() for name in names(Path("m.py"), ast.parse(text))} & PRIVATE


def named_by_state(tree: ast.Module) -> set[str]:
    """Functions that are called by a participle or adjective alone; a property may be."""
    names = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not any("property" in ast.unparse(mark) for mark in node.decorator_list)
    }
    words = {name: name.strip("_").lower() for name in names}
    return {
        name
        for name, word in words.items()
        if word in STATES or ("_" not in word and word.endswith("ed") and word not in VERBS)
    }


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_a_function_is_named_by_what_it_does(path):
    assert named_by_state(ast.parse(path.read_text())) == set()


def test_a_function_named_by_a_state_is_seen():
    text = (
        "def described(): ...\ndef _newest(): ...\nclass A:\n    @property\n    def kept(self): ..."
    )
    assert named_by_state(ast.parse(text)) == {"described", "_newest"}


def offering() -> list[str]:
    """Every package that offers names."""
    return [
        ".".join(path.relative_to(PROJECT_ROOT).parent.parts)
        for path in SOURCES
        if path.name == "__init__.py" and "__all__" in path.read_text()
    ]


#: Who takes from a package: the product's other packages, and what measures it.
TAKERS = (*PACKAGES, "benchmarks")


@cache
def trees() -> list[tuple[Path, ast.Module]]:
    """Every file of the product and of what measures it.

    Tests are none: what only they read stands in its module, and is no promise to others.
    """
    paths = (path for name in TAKERS for path in (PROJECT_ROOT / name).rglob("*.py"))
    return [(path, ast.parse(path.read_text())) for path in paths if ".venv" not in path.parts]


def read_names(package: str, tree: ast.Module) -> set[str]:
    """Names that a file imports from a package, or reads as attributes of it where it has it."""
    outer, _, last = package.rpartition(".")
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    bound = {
        alias.asname or last
        for node in imports
        for alias in node.names
        if (node.module, alias.name) == (outer, last)
    }
    read = {alias.name for node in imports if node.module == package for alias in node.names}
    return read | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in bound
    }


def taken(package: str) -> set[str]:
    """Names that files outside a package take from it."""
    inside = PROJECT_ROOT / package.replace(".", "/")
    return {
        name
        for path, tree in trees()
        if inside not in path.parents
        for name in read_names(package, tree)
    }


def caught(package: str) -> set[str]:
    """The error of a package that the command line looks up by name once the package is loaded."""
    return {name for module, name in EXPECTED_ERRORS.items() if module == package}


def shown(package: str) -> set[str]:
    """Names that a page of the docs takes from a package, in the Python that it shows."""
    page = OFFERED_TO_USERS.get(package)
    if page is None:
        return set()
    return read_names(package, ast.parse(python_of(page)))


@pytest.mark.parametrize("package", offering())
def test_a_package_offers_only_what_another_takes_and_what_is_there(package):
    """A name in ``__all__`` is a promise: to the product's other packages, to a reader of the docs,
    or to the code that registered versions carry.

    Whatever nobody but a test reads is imported from the module in which it stands.
    """
    module = import_module(package)
    offered = set(module.__all__)
    assert {name for name in offered if not hasattr(module, name)} == set()
    others = taken(package) | caught(package) | shown(package) | CARRIED.get(package, set())
    assert offered - others == set()


@pytest.mark.parametrize(("module", "name"), EXPECTED_ERRORS.items())
def test_an_error_that_a_command_ends_with_is_one_of_its_package(module, name):
    assert issubclass(getattr(import_module(module), name), Exception)


def test_a_name_is_taken_by_an_import_or_as_an_attribute_of_the_package_itself():
    text = "from a import b, c\nfrom a.b import d\nfrom e import b\nb.f, c.g, h.i"
    assert read_names("a.b", ast.parse(text)) == {"d", "f"}
