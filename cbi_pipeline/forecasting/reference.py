"""The page on recipes: every field of every configuration, written from the declarations."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, cast

from cbi_pipeline.forecasting.augment import AugmentConfig
from cbi_pipeline.forecasting.averaging import AveragingConfig
from cbi_pipeline.forecasting.checkpoint import Keep
from cbi_pipeline.forecasting.clipping import ClipConfig
from cbi_pipeline.forecasting.config import Config, declarations
from cbi_pipeline.forecasting.declarations import describe
from cbi_pipeline.forecasting.losses.objective import ObjectiveConfig, Term
from cbi_pipeline.forecasting.models.climatology import ClimatologyRecipe
from cbi_pipeline.forecasting.models.combined import CombinedRecipe, Member, OwnForecasts
from cbi_pipeline.forecasting.models.ewma import EwmaRecipe
from cbi_pipeline.forecasting.models.garch import GarchRecipe
from cbi_pipeline.forecasting.models.har import HarRecipe
from cbi_pipeline.forecasting.models.prior import PriorRecipe
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig
from cbi_pipeline.forecasting.networks.heads import HeadConfig
from cbi_pipeline.forecasting.optimisers import OptimiserConfig
from cbi_pipeline.forecasting.panel import PanelSpec
from cbi_pipeline.forecasting.recipe import Recipe, TrainingConfig
from cbi_pipeline.forecasting.schedules import ScheduleConfig

CONFIGURATIONS: tuple[type[Config], ...] = (
    Recipe,
    ClimatologyRecipe,
    EwmaRecipe,
    PriorRecipe,
    GarchRecipe,
    HarRecipe,
    CombinedRecipe,
    Member,
    OwnForecasts,
    *EncoderConfig.members(),
    HeadConfig,
    TrainingConfig,
    ObjectiveConfig,
    Term,
    OptimiserConfig,
    ScheduleConfig,
    ClipConfig,
    AveragingConfig,
    AugmentConfig,
    Keep,
    PanelSpec,
)
"""Every configuration, in the order of the page."""

_HEADER = """\
# Recipes

Written by `python -m cbi_pipeline.forecasting.reference`; edit the configurations, not this page.

A recipe is everything that decides a model apart from the data: the network, its heads, and how it
is trained. It is a tree of frozen dataclasses, checked when it is built: a value outside what the
tables below say is refused, naming class, field, value and what the field takes. Whole numbers do
for numbers; True and False are no numbers; NaN and infinities are never taken.

    Recipe(
        name="small_lstm",
        feature_set="core-1",
        network=RecurrentConfig(cell="lstm", hidden=16),
        training=TrainingConfig(schedule=ScheduleConfig(shape="one_cycle")),
    )

The recipes of the pipeline are files with the same fields as tables: [catalogue.md](catalogue.md)
says where they lie and who reads them.

## Names that last

A recipe's identity is the sha256 of its kinds and of what differs from their defaults. An option
that is added later, and left alone, therefore renames nothing: models, finished folds and
checkpoints are found again. A default is never changed: a new value goes into a recipe. A
registered version keeps the identity it was registered with; where that was made otherwise, the
recipe inside the version is read and compared.

The device a model is computed on decides its last bits. It stands in checkpoints, in the keys of
finished folds and in a version's tags, and is no part of a recipe.

## Files of other versions

A saved model, checkpoint or finished fold says which version and, where known, which commit wrote
it. When it is read,

- a field that the file lacks takes its default;
- a field that this version lacks is refused, with its name and the version that wrote it. Use that
  version, or train the model again. A nightly run does the latter: the version in use cannot be
  compared, says so in the decision, and tonight's takes over;
- a kind that does not fit its class, and weights that do not fit their recipe, are refused.

## Damage

Every file carries the sha256 of all its bytes; a registered version also carries `SHA256SUMS` over
all its files. One flipped bit is refused when the file is read, with the path and what to do:

| file | after the refusal |
| --- | --- |
| `last.safetensors`, `best.json` and other checkpoints | delete it: training starts over |
| `finished.json`, `forecasts.parquet` of a fold | delete the fold's folder: it is computed again |
| `forecaster.json`, `weights.safetensors`, `anchor.json`, `ensemble.json` | save the model again |
| any file of a registered version | restore it, or let the next run register the model again |

Version 0.1.0 at first wrote no checksums. Its checkpoints are not resumed: a warning says that
training starts over. Its saved models are read: weights and description are checked against each
other and, in the registry, against `SHA256SUMS`.

"""


def page() -> str:
    """The whole page as Markdown."""
    return (_HEADER + "## Fields\n\n" + "".join(map(_section, CONFIGURATIONS))).rstrip() + "\n"


def _section(cls: type[Config]) -> str:
    opening = inspect.getdoc(cls) or ""
    summary = " ".join(opening.split("\n\n")[0].split())
    kind = f' Kind `"{cls.kind}"`, arguments by name alone.' if cls.kind else ""
    rows = "".join(f"| {' | '.join(cells)} |\n" for cells in _rows(cls))
    return (
        f"### {cls.__name__}\n\n{summary}{kind}\n\n"
        "| field | takes | default | meaning |\n"
        "| --- | --- | --- | --- |\n"
        f"{rows}\n"
    )


def _rows(cls: type[Config]) -> Iterator[tuple[str, ...]]:
    meanings = _meanings(cls)
    fields = {field.name: field for field in dataclasses.fields(cast("Any", cls))}
    for name, hint in declarations(cls).items():  # type: ignore[arg-type]
        takes = describe(hint).replace("|", "\\|")
        yield f"`{name}`", takes, _default(fields[name]), meanings.get(name, "")


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"`{type(field.default_factory()).__name__}()`"
    return "" if field.default is dataclasses.MISSING else f"`{field.default!r}`"


def _meanings(cls: type[Config]) -> dict[str, str]:
    """What the class says of each attribute."""
    _, _, listed = (inspect.getdoc(cls) or "").partition("Attributes:\n")
    meanings = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", listed, flags=re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in meanings}


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
