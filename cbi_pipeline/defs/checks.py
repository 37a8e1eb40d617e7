"""What asset checks have in common: what each result means for those who are alerted.

A check is green only for what was looked at. One that had nothing to look at is a warning that
says so, and raises no alert.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg

#: On the spec of a check whose failures reach people by another alert of their own.
ALERTED_BY = "cbi/alerted by"
BY_FAULT_LOG = {ALERTED_BY: "the fault log"}
_ASKED = "asked"


def not_asked(check: str, asset: dg.AssetKey, why: str) -> dg.AssetCheckResult:
    """The result of a check that had nothing to look at."""
    return dg.AssetCheckResult(
        check_name=check,
        asset_key=asset,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"not asked: {why}",
        metadata={_ASKED: "no"},
    )


def verdict(evaluation: dg.AssetCheckEvaluation) -> bool | None:
    """Whether a check is well; None when its result says nothing to those who are alerted.

    A failure at error level stops its run, and the run is what is told then.
    """
    if evaluation.metadata.get(_ASKED) == dg.TextMetadataValue("no"):
        return None
    if not evaluation.passed and evaluation.severity is not dg.AssetCheckSeverity.WARN:
        return None
    return evaluation.passed


def watched_checks(repository: dg.RepositoryDefinition) -> Iterator[dg.AssetCheckKey]:
    """Every check whose failures are alerted as such."""
    graph = repository.asset_graph
    for key in sorted(graph.asset_check_keys, key=str):
        metadata: Mapping[str, object] = graph.get_check_spec(key).metadata or {}
        if ALERTED_BY not in metadata:
            yield key


def newest_evaluations(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, limit: int
) -> Iterator[dg.EventLogEntry]:
    """The newest results of a check, newest first."""
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit):
        entry = record.event
        if entry is not None and isinstance(_data(entry), dg.AssetCheckEvaluation):
            yield entry


def evaluation(entry: dg.EventLogEntry) -> dg.AssetCheckEvaluation:
    """The result that an event tells of."""
    data = _data(entry)
    assert isinstance(data, dg.AssetCheckEvaluation)
    return data


def _data(entry: dg.EventLogEntry) -> object:
    return entry.dagster_event.event_specific_data if entry.dagster_event is not None else None
