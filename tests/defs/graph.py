"""The asset graph as plain data. ``python -m tests.defs.graph`` writes the recorded one anew."""

import json
from pathlib import Path

from cbi_pipeline import definitions

defs = definitions.defs()
RECORDED = Path(__file__).with_name("graph.json")


def graph() -> dict[str, object]:
    resolved = defs.resolve_asset_graph()
    assets = {}
    for key in sorted(resolved.get_all_asset_keys()):
        node = resolved.get(key)
        assets[key.to_user_string()] = {
            "after": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": sorted(check.name for check in node.check_keys),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "partitioned": node.partitions_def is not None,
            "says": node.description,
        }
    schedules = {
        schedule.name: {"cron": schedule.cron_schedule, "job": schedule.job_name}
        for schedule in defs.get_repository_def().schedule_defs
    }
    return {"assets": assets, "schedules": schedules}


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(graph(), indent=2) + "\n")
