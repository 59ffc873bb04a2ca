"""Number of cores that this process may use: its CPU affinity and the quotas of its control groups."""

import os
from collections.abc import Iterator
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> int:
    """Number of usable cores, at least 1, fractions rounded down.

    ``root``: where ``proc`` and the cgroup files are read.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(int(quota) for quota in cpu_quotas(root))]))


def cpu_quotas(root: Path = Path("/")) -> list[float]:
    """CPU quota, in cores, of each control group (v1 or v2) around this process; empty without a limit or Linux."""
    found = []
    for folder in _group_folders(root):
        try:
            if (folder / "cpu.max").exists():
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if quota != "max" and int(quota) > 0 and int(period) > 0:  # v1 writes -1 for no limit
                found.append(int(quota) / int(period))
        except (OSError, ValueError):
            continue  # a group without this controller
    return found


def _group_folders(root: Path) -> Iterator[Path]:
    """Mounted folders of this process's control group and all its parents, in each hierarchy that may limit cores.

    ``/proc/self/cgroup`` names the group relative to the hierarchy's root. A container often has only its own part
    mounted, with or without a cgroup namespace; the mount entry says which part.
    """
    try:
        groups = dict(_groups((root / "proc/self/cgroup").read_text()))
        mounts = list(_mounts((root / "proc/self/mountinfo").read_text()))
    except (OSError, ValueError):
        return
    for hierarchy, mounted_part, mount_point in mounts:
        group = groups.get(hierarchy)
        if group is None:
            continue
        below = group.removeprefix(mounted_part.rstrip("/")) if _is_within(group, mounted_part) else "/"
        folder = Path("/", *(part for part in Path(below).parts if part not in ("/", "..")))
        top = root / mount_point.lstrip("/")
        for inner in (folder, *folder.parents):
            yield top / str(inner).lstrip("/")


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Hierarchy, "" for version 2 or "cpu", with this process's group in it."""
    for line in text.splitlines():
        number, controllers, group = line.split(":", 2)
        if number == "0" and not controllers:
            yield "", group
        elif "cpu" in controllers.split(","):
            yield "cpu", group


def _mounts(text: str) -> Iterator[tuple[str, str, str]]:
    """Hierarchy, mounted part and mount point of each cgroup mount. Spaces are written as octal escapes."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        part, mount_point = (field.encode().decode("unicode_escape") for field in before.split()[3:5])
        kind, *_, options = after.split()
        if kind == "cgroup2":
            yield "", part, mount_point
        elif kind == "cgroup" and "cpu" in options.split(","):
            yield "cpu", part, mount_point


def _is_within(group: str, part: str) -> bool:
    return part == "/" or group == part or group.startswith(part + "/")
