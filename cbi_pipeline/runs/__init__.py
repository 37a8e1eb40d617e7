"""Dagster's runs, as both its own code location and the command line see them.

processes    which process a run lives in; runs whose process is gone are ended
recipes      the recipes that are judged, as partitions
failures     what a failed step or run has to say
"""
