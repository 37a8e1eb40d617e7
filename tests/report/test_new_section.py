"""A new part of the page is one new file and one line, on a copy of the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.warehouses import publish
from tests.system.package_copy import copy_package

pytestmark = pytest.mark.slow

TOY = '''
"""How many prices there are of each commodity."""

from dataclasses import dataclass

from cbi_pipeline.report.morning import Section
from cbi_pipeline.report.source import ReportSource


@dataclass(frozen=True)
class PriceCounts:
    """Rows of market.session, by commodity."""

    counts: dict[str, int]


def read_counts(source: ReportSource) -> PriceCounts:
    """Count them."""
    rows = source.store.query("SELECT commodity, count(*) FROM market.session GROUP BY ALL")
    return PriceCounts(dict(rows.iter_rows()))


def name(commodity: str) -> str:
    """Its name, as a helper of the block."""
    return f"<{commodity}>"


TEMPLATE = """
<section id="toy"><h2>Prices stored</h2>
{% for commodity, count in part.counts.items() %}
<p>{{ name(commodity) }} has {{ f.count(count) }} prices</p>
{% endfor %}</section>
"""

SECTION = Section(
    name="price_counts",
    title="Prices stored",
    anchor="toy",
    read=read_counts,
    template=TEMPLATE,
    helpers={"name": name},
)
'''
SHOW = """
import sys
from pathlib import Path
from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.report import read_report
from cbi_pipeline.report.page import render_report
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
settings = Settings(_env_file=None, profile="archive")
with Warehouse(Path(sys.argv[1])).read() as store:
    print(render_report(read_report(store, load_catalogue(profile="archive"), settings)))
"""


@pytest.fixture
def copy(tmp_path) -> Path:
    copy_package(tmp_path)
    return tmp_path


def show(copy: Path, warehouse: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW, str(warehouse)],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )


def published(home: Path) -> Path:
    publish(home)
    return home / "warehouse"


def list_after(copy: Path, name: str, new: str) -> None:
    """The one line: the new section stands after another."""
    path = copy / "cbi_pipeline" / "report" / "sections" / "__init__.py"
    text = path.read_text()
    assert text.count(f'    "{name}",\n') == 1
    path.write_text(text.replace(f'    "{name}",\n', f'    "{name}",\n    "{new}",\n'))


def test_one_file_and_one_line_are_a_new_part_of_the_page(copy, tmp_path_factory):
    warehouse = published(tmp_path_factory.mktemp("home"))
    (copy / "cbi_pipeline/report/sections/price_counts.py").write_text(TOY)
    list_after(copy, "outlook", "price_counts")
    shown = show(copy, warehouse)
    assert shown.returncode == 0, shown.stderr
    page = shown.stdout
    with_prices = page.index("&lt;wti&gt; has 757 prices")
    assert page.index('<section id="outlook">') < with_prices < page.index('id="wti"')
    assert '<a href="#toy">Prices stored</a>' in page


def test_a_file_whose_section_has_another_name_is_refused(copy, tmp_path_factory):
    (copy / "cbi_pipeline/report/sections/toy.py").write_text(TOY)
    list_after(copy, "data", "toy")
    shown = show(copy, published(tmp_path_factory.mktemp("home")))
    assert shown.returncode != 0
    assert "report/sections/toy.py holds the section 'price_counts'" in shown.stderr
