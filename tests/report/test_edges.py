"""What the report's package offers is what other packages take of it."""

import ast

from cbi_pipeline import report
from cbi_pipeline.settings import PROJECT_ROOT


def test_every_name_that_is_offered_is_imported_by_another_package():
    own = PROJECT_ROOT / "cbi_pipeline" / "report"
    taken = {
        alias.name
        for path in (PROJECT_ROOT / "cbi_pipeline").rglob("*.py")
        if own not in path.parents
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == report.__name__
        for alias in node.names
    }
    assert set(report.__all__) <= taken
