"""What code says: a hash over some modules and everything that they import.

Comments, docstrings and the layout of a file are no part of it; the versions of the libraries are.
An equal hash means that the code says the same; another one that it may, or may not, compute
something else.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


@cache
def hash_closure(modules: Sequence[str], packages: Sequence[str]) -> str:
    """The sha256 of modules, of those they import, and of the libraries that these import.

    Args:
        modules: where to begin, by full name; those outside the packages are passed over.
        packages: only modules inside these packages are followed.

    Raises:
        ModuleNotFoundError: a package has no such module to begin at.
    """
    trees, libraries = follow_imports(modules, packages)
    text = [f"{module}\n{ast.dump(trees[module])}" for module in sorted(trees)]
    text += [f"{name} {_version(name)}" for name in sorted(libraries)]
    text.append(f"python {sys.version_info.major}.{sys.version_info.minor}")
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


def follow_imports(
    modules: Sequence[str], packages: Sequence[str]
) -> tuple[dict[str, ast.Module], set[str]]:
    """What modules come to with all that they import: syntax trees by module, and libraries.

    The arguments and errors are those of :func:`hash_closure`.
    """
    trees: dict[str, ast.Module] = {}
    libraries: set[str] = set()
    waiting = [module for module in modules if _is_inside(module, packages)]
    while waiting:
        module = waiting.pop()
        if module in trees:
            continue
        trees[module] = _parse(module)
        for name in _list_imports(trees[module]):
            if _is_inside(name, packages) and _path(name) is not None:
                waiting.append(name)
            elif name.split(".")[0] not in sys.stdlib_module_names:
                libraries.add(name.split(".")[0])
    return trees, libraries


@cache
def _parse(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"no module {module!r} in {_ROOT}")
    return _Bare().visit(ast.parse(path.read_bytes()))  # type: ignore[no-any-return]


class _Bare(ast.NodeTransformer):
    """Takes out what is there for readers and type checkers alone."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


def _list_imports(tree: ast.Module) -> Iterator[str]:
    """Full names of what is imported, wherever it stands: modules, or names in modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from names
            # A package that only holds the modules that are imported says nothing itself.
            if not all(map(_path, names)):
                yield node.module


def _is_inside(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _path(module: str) -> Path | None:
    stem = _ROOT.joinpath(*module.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "built in"
