"""The model registry on MLflow: register, alias, look up, load, trace.

A version is registered whole or not at all, is verified against its own hashes on every load, and
loads in any process with ``mlflow.pyfunc.load_model("models:/cbi-forecaster@champion")``.
Importing this package does not import MLflow.
"""

from cbi_pipeline.registry._aliasing import Deviation
from cbi_pipeline.registry._record import panel_spec_id
from cbi_pipeline.registry.aliases import (
    CHALLENGER,
    CHAMPION,
    Champion,
    current_champion,
    date_decision,
    derive,
    find_previous_champion,
    following,
    list_earlier_founders,
    newest_evidence,
    sort_decisions,
    versions_in_use,
)
from cbi_pipeline.registry.errors import (
    RegistryDamaged,
    RegistryEmpty,
    RegistryError,
    RegistryMismatch,
    RegistryUnreadable,
)
from cbi_pipeline.registry.frame import cast_frame, input_types
from cbi_pipeline.registry.matching import find_version
from cbi_pipeline.registry.provenance import Provenance
from cbi_pipeline.registry.registry import Registry
from cbi_pipeline.registry.versions import RegisteredVersion

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Champion",
    "Deviation",
    "Provenance",
    "RegisteredVersion",
    "Registry",
    "RegistryDamaged",
    "RegistryEmpty",
    "RegistryError",
    "RegistryMismatch",
    "RegistryUnreadable",
    "cast_frame",
    "current_champion",
    "date_decision",
    "derive",
    "find_previous_champion",
    "find_version",
    "following",
    "input_types",
    "list_earlier_founders",
    "newest_evidence",
    "panel_spec_id",
    "sort_decisions",
    "versions_in_use",
]
