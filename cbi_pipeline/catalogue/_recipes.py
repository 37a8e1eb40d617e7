"""Recipes as files, one a recipe: what is a model's configuration is checked by who builds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cbi_pipeline.catalogue._document import CatalogueError, make, suggest_names
from cbi_pipeline.catalogue._inherit import read_written
from cbi_pipeline.model_kinds import MODEL_KINDS

PACKAGED_RECIPES = Path(__file__).parent / "recipes"
#: The file names the recipe, and its groups name the feature set.
_GIVEN = ("name", "feature_set")
#: What is said of every recipe, whatever its kind.
_HEAD = ("kind", "groups", "summary", "remark")


class RecipeFile(BaseModel):
    """A recipe as it is written.

    Attributes:
        name: of the recipe, and of its file.
        source: the file.
        kind: of the model that it is a recipe of.
        groups: feature groups that it reads; None for every group that the catalogue reads.
        summary: what it is and when to use it, in a sentence.
        remark: what a reader of its versions must know, in a sentence or two.
        fields: the fields of that kind, as tables.
        origins: the file that each value stands in, by its path: one that begins from another
            takes values of that one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    source: Path
    kind: str
    groups: tuple[str, ...] | None = Field(default=None, min_length=1)
    summary: str = ""
    remark: str = ""
    fields: dict[str, Any]
    origins: dict[tuple[str, ...], Path]

    @field_validator("kind")
    @classmethod
    def _is_kind(cls, kind: str) -> str:
        if kind not in MODEL_KINDS:
            raise ValueError(
                f"no kind of model {kind!r}{suggest_names(kind, MODEL_KINDS)}; "
                f"there are: {', '.join(MODEL_KINDS)}"
            )
        return kind

    @model_validator(mode="after")
    def _reads_groups(self) -> RecipeFile:
        if self.groups is not None and not MODEL_KINDS[self.kind].reads_features:
            raise ValueError(f"groups: a {self.kind} model reads prices alone; leave groups out")
        return self


def find_recipes(*folders: Path) -> dict[str, Path]:
    """The files by name: those that ship, and those in further folders.

    Of two that bear one name that of the later folder is meant.
    """
    files = (path for folder in (PACKAGED_RECIPES, *folders) for path in folder.glob("*.toml"))
    return {path.stem: path for path in files}


def read_recipe(name: str, *folders: Path) -> RecipeFile:
    """One recipe of those there are.

    Args:
        name: of the recipe.
        folders: as for :func:`find_recipes`.

    Raises:
        CatalogueError: there is none of that name, or its file is no TOML or has a wrong kind or
            groups.
    """
    files = find_recipes(*folders)
    if name not in files:
        raise CatalogueError(
            f"no recipe {name!r}{suggest_names(name, files)}; there are: {', '.join(sorted(files))}"
        )
    return read_recipe_file(files[name], *folders)


def read_recipe_file(source: Path, *folders: Path) -> RecipeFile:
    """The recipe that a file is, wherever it lies.

    Args:
        source: the file; it names the recipe.
        folders: as for :func:`find_recipes`; where it may begin from.

    Raises:
        CatalogueError: as for :func:`read_recipe`.
    """
    written = read_written(source, (PACKAGED_RECIPES, *folders))
    fields = written.document
    for given in _GIVEN:
        if given in fields:
            raise CatalogueError(
                f"{source}: leave {given} out; the file names the recipe, its groups the features"
            )
    head = {part: fields.pop(part) for part in _HEAD if part in fields}
    given_here = {"name": source.stem, "source": source, "fields": fields}
    return make(RecipeFile, given_here | head | {"origins": dict(written.origins)}, str(source))
