"""A recipe: everything that decides a model, apart from the data."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from cbi_pipeline.forecasting import config
from cbi_pipeline.forecasting.augment import AugmentConfig
from cbi_pipeline.forecasting.averaging import AveragingConfig
from cbi_pipeline.forecasting.clipping import ClipConfig
from cbi_pipeline.forecasting.declarations import (
    Count,
    FileName,
    Items,
    Label,
    Natural,
    NotNegative,
    Range,
    Share,
)
from cbi_pipeline.forecasting.losses.objective import POINT_LOSSES, ObjectiveConfig
from cbi_pipeline.forecasting.models.recipe import (
    DEFAULT_LEVELS,
    FORMER_LEVELS,
    Levels,
    ModelRecipe,
    StatisticalRecipe,
)
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig
from cbi_pipeline.forecasting.networks.heads import HeadConfig
from cbi_pipeline.forecasting.networks.network import Network
from cbi_pipeline.forecasting.networks.output import ANCHOR_LEVELS
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.optimisers import OptimiserConfig
from cbi_pipeline.forecasting.panel import PanelSpec
from cbi_pipeline.forecasting.schedules import ScheduleConfig


@dataclass(frozen=True)
class TrainingConfig(config.Config):
    """How a network is trained.

    Attributes:
        seed: decides initial weights, order, dropout and augmentation.
        batch_size: samples in one optimiser step.
        accumulate: equal pieces that a step's samples are computed in.
        max_epochs: passes over the training rows; 0 leaves the network untrained.
        patience: epochs without improvement before training stops.
        minimum_gain: smallest improvement of the validation loss that counts, in units of it.
        threads: CPU threads; they decide the last bits of a sum, so they belong to the recipe.
        skip_limit: steps with non-finite gradients allowed per epoch.
        objective: what is minimised.
        optimiser: how.
        schedule: learning rate over the run.
        clip: gradient clipping, or none.
        shrinkage: increasing shares of an anchored network's adjustments to choose from. After each
            epoch every commodity and horizon takes the share with the lowest validation loss, so
            a cell in which nothing was learned stays at the prior.
        averaging: average the weights over steps, or do not.
        augment: change training samples, or do not.
        precision: of the network's forward pass in training.
        compile: compile the network; "reduce-overhead" also captures CUDA graphs. What is
            fastest differs by device: `execution.measure` finds out. On a CPU, bfloat16 takes
            twice as long as float32 and compiling gains nothing.
    """

    seed: Natural = 0
    batch_size: Count = 256
    accumulate: Count = 1
    max_epochs: Natural = 20
    patience: Count = 4
    minimum_gain: NotNegative = 2e-4
    skip_limit: Natural = 5
    threads: Annotated[int, Range(at_least=1, at_most=1024)] = 1
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    clip: ClipConfig | None = field(default_factory=ClipConfig)
    shrinkage: Annotated[tuple[Share, ...], Items(at_least=1, order="strictly increasing")] = field(
        default=(1.0,), metadata=config.keep_former_name("trust")
    )
    averaging: AveragingConfig | None = None
    augment: AugmentConfig | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: Literal["off", "default", "reduce-overhead"] = "off"

    def check(self) -> None:
        """A step has at least one sample in each piece."""
        if self.accumulate > self.batch_size:
            raise ValueError("TrainingConfig: accumulate cannot exceed batch_size")


@dataclass(frozen=True)
class Recipe(ModelRecipe):
    """Configuration of one network and of its training.

    Attributes:
        name: for people, tables and folders; part of the identity.
        feature_set: version of the feature code it was made for.
        window: T, rows of history in one sample.
        levels: quantile levels, strictly increasing in (0, 1).
        mode: "pooled" (one commodity per sample) or "joint" (all side by side).
        network: the encoder.
        head: the heads over it.
        training: how it is trained.
        anchor: what the network adjusts, fitted before it; the prior where there is none. In a
            file it is the name of another recipe, which reads prices alone.
    """

    name: FileName
    feature_set: Label
    window: Count = 64
    levels: Levels = field(default=DEFAULT_LEVELS, metadata=config.formerly(FORMER_LEVELS))
    mode: Literal["pooled", "joint"] = "pooled"
    network: EncoderConfig = field(default_factory=RecurrentConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    anchor: StatisticalRecipe | None = None

    def check(self) -> None:
        """The parts suit each other."""
        if self.anchor is not None:
            self._check_anchor()
        if not self.head.anchored and self.training.shrinkage != (1.0,):
            raise ValueError("Recipe: a free-form network has no prior to shrink towards")
        if self.network.needs_joint and self.mode != "joint":
            raise ValueError(f"Recipe.mode: a {self.network.kind} network needs mode='joint'")
        points = [t.loss for t in self.training.objective.terms if t.loss in POINT_LOSSES]
        if points and 0.5 not in self.levels:
            raise ValueError(f"Recipe.levels: the loss {points[0]!r} is one of the median; add 0.5")
        augment = self.training.augment
        if augment is not None and augment.time_mask > self.window:
            raise ValueError(
                f"Recipe: augment.time_mask hides up to {augment.time_mask} rows of a window of "
                f"{self.window}; make it shorter"
            )

    def _check_anchor(self) -> None:
        if not self.head.anchored:
            raise ValueError("Recipe.anchor: a free-form network adjusts none; set head.anchored")
        lowest, _, highest = ANCHOR_LEVELS
        if self.levels[0] > lowest or self.levels[-1] < highest:
            raise ValueError(
                f"Recipe.levels: a network over an anchor needs one at or below {lowest} and one "
                f"at or above {highest}, which its scale is read between"
            )

    @property
    def anchor_recipe(self) -> StatisticalRecipe | None:
        """The recipe of the anchor, at the levels of this one."""
        return self.anchor and dataclasses.replace(self.anchor, levels=self.levels)

    @classmethod
    def from_json(cls, tree: object, written_by: object = None) -> Self:
        """The recipe of a tree; a field that the tree lacks takes its default.

        Args:
            tree: what `to_json` gave, today or in an earlier version.
            written_by: what the file says of the version that wrote it.

        Raises:
            ValueError: a field is unknown or breaks a rule; names it and the writing version.
        """
        return config.decode(cls, tree, written_by)

    @classmethod
    def compose(cls, tree: object) -> Self:
        """The recipe of a tree that a person wrote; a field that it lacks takes its default.

        Raises:
            ValueError: a field is unknown or breaks a rule; names it.
        """
        return config.compose(cls, tree)

    def build(self, spec: PanelSpec) -> Network:
        """A freshly initialised network for panels of this spec.

        Raises:
            ValueError: the recipe was made for another feature set.
        """
        if spec.feature_set != self.feature_set:
            raise ValueError(
                f"recipe {self.name} was made for the feature set {self.feature_set}, "
                f"the panel has {spec.feature_set}"
            )
        return Network(
            self.network,
            self.head,
            self.levels,
            spec,
            self.window,
            has_anchor=self.anchor is not None,
        )

    def with_training(self, **changes: object) -> Self:
        """The same recipe, trained otherwise."""
        training = dataclasses.replace(self.training, **changes)  # type: ignore[arg-type]
        return dataclasses.replace(self, training=training)
