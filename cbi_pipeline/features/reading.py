"""Whether a model made on some day can read the rows of another."""

from __future__ import annotations

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.features.feature_sets import FeatureSet
from cbi_pipeline.features.generations import as_before, earlier_name
from cbi_pipeline.forecasting.panel import PanelSpec


def why_unread(
    spec: PanelSpec, commodity: str, catalogue: Catalogue, feature_set: FeatureSet
) -> str | None:
    """Why a panel's columns are not those of today's rows of a commodity; None where they are.

    Other commodities and further groups do not matter: a model reads its own out of a wider panel.

    Args:
        spec: axes of the model, the commodity among them.
        commodity: its id.
        catalogue: today's.
        feature_set: today's, with its meanings.
    """
    gone = [name for name in spec.features if name not in feature_set.features]
    if gone:
        return f"reads {', '.join(gone[:3])}, which today's rows do not have"
    if not spec.meanings:
        return _why_unread_by_name(spec, commodity, catalogue, feature_set)
    then = _parts(spec.meanings[spec.commodities.index(commodity)])
    now = _parts(feature_set.meanings[commodity])
    other = [group for group, meaning in then.items() if now.get(group) != meaning]
    if other:
        return f"was made before the rows of {', '.join(other)} of {commodity} meant what they do"
    return None


def _why_unread_by_name(
    spec: PanelSpec, commodity: str, catalogue: Catalogue, feature_set: FeatureSet
) -> str | None:
    """The same of a version that knows its features by the name of the set alone."""
    if spec.feature_set == feature_set.name:
        return None
    if spec.feature_set != earlier_name(catalogue):
        return f"reads the features {spec.feature_set}, and today's are of another catalogue"
    other = [
        group.name for group in feature_set.read if not as_before(group.name, commodity, catalogue)
    ]
    if other:
        return f"was made before {', '.join(other)} of {commodity} read what they do"
    return None


def _parts(meanings: str) -> dict[str, str]:
    return dict(part.split(":") for part in meanings.split())
