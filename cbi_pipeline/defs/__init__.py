"""Dagster's view of the pipeline: a folder per stage, with its assets and checks.

partitions   the days that forecasts are issued for
jobs         which assets run together, and when
metadata     what a run shows: schemas from contracts, tables and plots
runs         when a run began, and for which day it is
"""
