"""docs/performance.md from pytest-benchmark's results: in each group one side is `ours`, the other the peer."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write(results: Mapping[str, Any], path: Path) -> None:
    """Writes one row a group: both medians, their ratio, and whether the target was met."""
    groups: dict[str, dict[str, Any]] = {}
    for entry in results["benchmarks"]:
        groups.setdefault(entry["group"], {})[entry["extra_info"]["side"]] = entry
    machine = results["machine_info"]
    lines = [
        "# Performance, as the last `make bench` measured it",
        "",
        f"{machine['cpu'].get('count', '?')} cores, {machine['system']}, Python {machine['python_version']}.",
        "Medians; both sides of a row ran in the same run, on the same machine, against the same servers on loopback.",
        "The ratio is ours to the peer's: time for time, and rate for rate where the target is a least one.",
        "",
        "| what | imagesig | peer | ratio | target | met |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(name, sides) for name, sides in sorted(groups.items()) if {"ours", "peer"} <= sides.keys()]
    reasons = {
        name: str(sides["ours"]["extra_info"].get("reason", "")) for name, sides in groups.items() if "ours" in sides
    }
    lines += ["", *(f"- {name}: {reason}" for name, reason in sorted(reasons.items()) if reason)]
    profiles = [entry["extra_info"]["profile"] for entry in results["benchmarks"] if "profile" in entry["extra_info"]]
    for profile in profiles:
        lines += ["", "## Where the CPU time of a verification goes", "", *profile["text"], ""]
        lines += ["| what | µs | share |", "|---|---|---|"]
        lines += [f"| {name} | {time:.0f} | {share:.0f} % |" for name, time, share in profile["rows"]]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _row(name: str, sides: Mapping[str, Any]) -> str:
    ours, peer = sides["ours"], sides["peer"]
    info = ours["extra_info"]
    a, b = _measured(ours), _measured(peer)
    rate = info.get("kind") == "rate"
    ratio = b / a if rate else a / b
    target = float(info["target"])
    met = ratio >= target if info.get("at_least") else ratio <= target
    sign = ">=" if info.get("at_least") else "<="
    peer_name = peer["extra_info"].get("peer", "peer")
    unit = _mebibytes if info.get("kind") == "memory" else _seconds
    shown = f"{unit(a)} | {unit(b)} ({peer_name}) | {ratio:.2f} x | {sign} {target:g} x"
    return f"| {name} | {shown} | {'yes' if met else '**no**'} |"


def _measured(side: Mapping[str, Any]) -> float:
    """The median of what was measured: of `measured` where that is not the time, such as CPU seconds or bytes."""
    values = side["extra_info"].get("measured")
    return float(statistics.median(values)) if values else float(side["stats"]["median"])


def _mebibytes(value: float) -> str:
    return f"{value / 2**20:.1f} MiB"


def _seconds(value: float) -> str:
    return f"{value * 1000:.2f} ms" if value < 1 else f"{value:.2f} s"
