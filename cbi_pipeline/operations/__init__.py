"""What a night does, in words a person would use; neither Dagster nor the command line.

pipeline            where settings, catalogue and the parts of a home meet
check_catalogue     every name of the catalogue looked up
describe_readers    what each series of a feed is asked for
feed_entries        the feeds that assets, jobs and alerts are made for
build_features      rows that a night lacks
training_data       what was known at an instant: rows, targets, panel
lineup, evaluate    whom a walk-forward compares, and under which name
figures             pictures of its evidence
train               recipes fitted on everything known, registered
compare_versions    tonight's version against the one in use, on rows that both read
promote             whether tonight's version takes over from the one in use
champion_forecast   what the champion says of the newest origins
issue               what a day says: the live forecast, and replays
aliases             champion and challenger stay what the decisions say
change_detection    whether anything has changed since the last whole night
faults, progress    what failed, and how far work is
"""

from cbi_pipeline.operations.check_catalogue import (
    awaited_files,
    awaited_keys,
    check_catalogue,
    unbrought_inputs,
)
from cbi_pipeline.operations.describe_readers import describe_readers

__all__ = [
    "awaited_files",
    "awaited_keys",
    "check_catalogue",
    "describe_readers",
    "unbrought_inputs",
]
