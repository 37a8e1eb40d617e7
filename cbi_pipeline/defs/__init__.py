"""Dagster's view of the pipeline: a folder per stage, with its assets and checks.

pipeline     the parts an asset works with: settings, catalogue, warehouse, ledger, registry
partitions   the days that forecasts are issued for
jobs         which assets run together, and when
metadata     what a run shows: schemas from contracts, tables and plots
progress     how long work says how far it is
"""
