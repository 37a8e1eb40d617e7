"""Which process a run lives in, so that one whose process is gone can be ended in its name.

A killed process, or a power cut, leaves its run marked as started, and a run that is marked as
started holds its pool. Process ids come round again, so a process is recognised by its id, the
moment it began and the boot of the machine it began in.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import dagster as dg

#: ``<run id> <process id> <what else identifies the process>``. The run's own id is part of it
#: because a run that is started again inherits the tags of the one before.
PROCESS_TAG = "cbi/process"
#: What the tag was before: the process id alone.
FORMER_TAG = "cbi/pid"

_PROC = Path("/proc")
_CLOCKS_MAY_DIFFER_S = 60.0
_UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tags(run_id: str) -> dict[str, str]:
    """Tags that tie a run to the process that asks."""
    return {PROCESS_TAG: f"{run_id} {os.getpid()} {identity(os.getpid())}"}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """End every unfinished run whose process is gone, and give its place in each pool back.

    Runs of living processes are left alone, and so are those that nothing ties to a process.

    Returns:
        Ids of the runs ended, newest first.
    """
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        why = _why_gone(record)
        # A process that is gone changes nothing any more: what it left last is read after that.
        run = instance.get_run_by_id(record.dagster_run.run_id) if why is not None else None
        if run is None or run.is_finished:
            continue
        # First, so that being stopped here leaves nothing that the next start would not see.
        if instance.event_log_storage.supports_global_concurrency_limits:
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, why)
        else:
            instance.report_run_failed(run, why)
        ended.append(run.run_id)
    return ended


def _why_gone(record: dg.RunRecord) -> str | None:
    run = record.dagster_run
    run_id, _, process = run.tags.get(PROCESS_TAG, "").partition(" ")
    if run_id == run.run_id:
        pid, _, seen = process.partition(" ")
        return _explain_gone(pid) if identity(int(pid)) != seen else None
    former = run.tags.get(FORMER_TAG)
    if former is not None and run.parent_run_id is None:
        began = _began(int(former))
        asked = record.create_timestamp.timestamp() + _CLOCKS_MAY_DIFFER_S
        return _explain_gone(former) if began is None or began > asked else None
    booted = _read_boot_time()
    if record.start_time and booted and record.start_time < booted - _CLOCKS_MAY_DIFFER_S:
        return "the machine went down before the run had finished"
    return None


def _explain_gone(pid: str) -> str:
    return (
        f"its process, {pid}, ended without finishing the run: it was killed, or the machine went "
        "down"
    )


def identity(pid: int) -> str | None:
    """What tells a living process from every other that ever has its id; None when there is none.

    On Linux boot and tick of its start, elsewhere the second of its start as ``ps`` has it.
    """
    if not (_PROC / "self" / "stat").exists():
        return _read_start(pid)
    ticks = _ticks(pid)
    if ticks is None:
        return None
    return f"{(_PROC / 'sys/kernel/random/boot_id').read_text().strip()} {ticks}"


def _ticks(pid: int) -> int | None:
    """Clock ticks from the boot to a process's start; None when it is gone or only its shell is."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may hold anything; the state follows it, the start is field 22.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _read_start(pid: int) -> str | None:
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip() or None


def _began(pid: int) -> float | None:
    """Unix time at which a process began; zero where only its being there can be seen."""
    if not (_PROC / "self" / "stat").exists():
        return 0.0 if _read_start(pid) else None
    ticks, booted = _ticks(pid), _read_boot_time()
    if ticks is None or booted is None:
        return None
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def _read_boot_time() -> float | None:
    """Unix time of the machine's boot; None where it cannot be told."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return None if clock is None else time.time() - time.clock_gettime(clock)
