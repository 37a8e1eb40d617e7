"""What a night does, in words a person would use; neither Dagster nor the command line.

pipeline            where settings, catalogue and the parts of a home meet
check_catalogue     every name of the catalogue looked up
home_catalogue      the catalogue that a home was made with
recipes             its recipes, built on the groups that they read
describe_readers    what each series of a feed is asked for
feed_entries        the feeds that assets, jobs and alerts are made for
count_raw_rows      how many rows a feed has brought
build_market        the sessions of each commodity
store_sessions      those that are stored, and what stands aside for them
build_features      rows that a night lacks
add_targets         returns that became public
training_data       what was known at an instant: rows, targets, panel
lineup, evaluate    whom a walk-forward compares, and under which name
rounds              what recipes enter one by one, and what each of them shares
gather_evidence     the walk-forward of some recipes; a complete round is scored
figures             pictures of its evidence
decide              the gate on each challenger, once a round
refresh_models      tonight's version of each recipe, and which of them is used
train, promote      how one is made, and whether it takes over from the one in use
champion_forecast   what the champion says of the newest origins
issue               what a day says: the live forecast, and replays
missed_days         days for which no night issued, and why a past one has no rows
score_issued        how issued forecasts turned out
write_report        the morning report
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

__all__ = [
    "awaited_files",
    "awaited_keys",
    "check_catalogue",
    "unbrought_inputs",
]
