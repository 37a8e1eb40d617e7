"""Models of few numbers: one sealed JSON file holds recipe, axes and parameters."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

from cbi_pipeline.forecasting import storage
from cbi_pipeline.forecasting.config import Json, decode, differences, encode, encode_canonical
from cbi_pipeline.forecasting.models.model import Model
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.panel import PanelSpec
from cbi_pipeline.forecasting.version import describe_writer, writer

FORMAT = 1
DESCRIPTION = "model.json"
# A file names the class that reads it; nothing outside these packages is ever loaded for one.
_PACKAGES = ("cbi_pipeline.forecasting.models.", "cbi_pipeline.evaluation.models.")


@dataclass(frozen=True, eq=False)
class StatisticalModel(Model):
    """A model whose parameters are a small tree of plain numbers and texts.

    Attributes:
        recipe: what decided it, apart from the data.
        spec: axes.
        recipe_type: class of its recipes.
        named: what its fingerprint covers of recipe and axes, as it was first written; derived for
            a new one. So a fingerprint outlives options added since.
    """

    recipe: ModelRecipe
    spec: PanelSpec
    recipe_type: ClassVar[type[ModelRecipe]]
    named: Mapping[str, Json] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        if not self.named:
            named = {"recipe": differences(self.recipe), "spec": differences(self.spec)}
            object.__setattr__(self, "named", named)

    @property
    def history(self) -> Mapping[str, int]:
        """One row of each commodity, unless a kind says otherwise."""
        return dict.fromkeys(self.spec.commodities, 1)

    @abstractmethod
    def parameters(self) -> Json:
        """What was fitted, as a plain tree."""

    @classmethod
    @abstractmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model that has these parameters; `named` as in the attributes."""

    def to_json(self) -> dict[str, Json]:
        """All of it as a plain tree, which `statistical_of_json` reads."""
        return {
            "class": f"{type(self).__module__}:{type(self).__name__}",
            "recipe": encode(self.recipe),
            "spec": encode(self.spec),
            "named": dict(self.named),
            "parameters": self.parameters(),
        }

    def save(self, folder: Path, *, commit: str | None = None) -> None:
        """Writes model.json, whole or not at all."""
        tree = {"format": FORMAT, **self.to_json(), "written_by": writer(commit)}
        storage.write_atomic(folder / DESCRIPTION, storage.seal(tree))

    def fingerprint(self) -> str:
        """The sha256 of parameters, recipe and axes: equal for equal models."""
        covered = {**self.named, "parameters": self.parameters()}
        return storage.sha256(encode_canonical(covered).encode())


def load_statistical(folder: Path, *, written_by: object = None) -> StatisticalModel:
    """The model saved in `folder`.

    Args:
        folder: where `save` wrote.
        written_by: what else is known of the version that wrote it.

    Raises:
        ValueError: the file is missing or damaged, or says what this version lacks; names the
            folder and the writing version.
    """
    try:
        tree: dict[str, Any] = storage.read_sealed(folder / DESCRIPTION)
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no saved model: {error}") from error
    written_by = tree.get("written_by", written_by)
    if tree.get("format") != FORMAT:
        raise ValueError(
            f"{folder}: format {tree.get('format')} cannot be read here; load it with the version "
            f"that wrote it ({describe_writer(written_by)}) or a later one"
        )
    return statistical_of_json(tree, str(folder), written_by)


def statistical_of_json(
    tree: Mapping[str, Any], where: str, written_by: object = None
) -> StatisticalModel:
    """The model of a tree that `to_json` made.

    Args:
        tree: the tree.
        where: what holds it, for messages.
        written_by: what is known of the version that wrote it.

    Raises:
        ValueError: it says what this version lacks; names where and the writing version.
    """
    kind = _class_of(str(tree["class"]), where, written_by)
    try:
        recipe = decode(kind.recipe_type, tree["recipe"], written_by)
        spec = decode(PanelSpec, tree["spec"], written_by)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return kind.of_parameters(recipe, spec, tree["parameters"], tree["named"])


def _class_of(name: str, folder: str, written_by: object) -> type[StatisticalModel]:
    module, _, member = name.partition(":")
    loaded: object = None
    if module.startswith(_PACKAGES):
        try:
            loaded = getattr(import_module(module), member, None)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise ValueError(
                    f"{folder}: its model needs {error.name}, which is not installed here"
                ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, StatisticalModel)):
        raise ValueError(
            f"{folder}: this version has no model {name}; use the version that wrote it "
            f"({describe_writer(written_by)}), or train the model again"
        )
    return loaded
