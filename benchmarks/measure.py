"""Whole processes, their wall and CPU seconds and peak memory, as the operating system counts them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = [sys.executable, "-m", "claude_audit"]


@dataclass(frozen=True)
class Run:
    wall: float
    cpu: float
    peak_mib: float


def run(command: Sequence[str], folder: Path) -> Run:
    """Run one command to its end. Raises when it fails."""
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def table(rounds: dict[str, list[Run]], beside: str) -> None:
    """Medians, and each as a multiple of the one named `beside`."""
    base = statistics.median(r.wall for r in rounds[beside])
    for name, runs in rounds.items():
        wall = statistics.median(r.wall for r in runs)
        cpu = statistics.median(r.cpu for r in runs)
        peak = max(r.peak_mib for r in runs)
        print(f"{name:34} wall {wall:7.3f} s  cpu {cpu:7.3f} s  peak {peak:6.0f} MiB  {wall / base:6.2f} x {beside}")
