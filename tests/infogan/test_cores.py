"""How many cores a container may use: both versions of control groups, with and without a name space, nested limits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infogan.cores import cpu_quotas, usable_cores

ROOT = Path(__file__).parents[2]
MANY = 2  # number of cores of the smallest machine here


def system(root: Path, groups: str, mounts: str, **limits: str) -> Path:
    """A root folder with ``/proc/self`` and the named files of control groups; "~" in a name stands for "/"."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/self/mountinfo").write_text(mounts)
    for name, text in limits.items():
        file = root / "sys/fs/cgroup" / name.replace("~", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


V2 = "31 23 0:28 {part} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "32 31 0:29 {part} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
OTHERS = "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n23 1 8:1 / / rw - ext4 /dev/root rw\n"
HALF = {"cfs_quota_us": "50000\n", "cfs_period_us": "100000\n"}
CASES = {
    "version 2 with a name space": ("0::/\n", V2.format(part="/"), {"cpu.max": "150000 100000\n"}, [1.5]),
    "version 2, no limit": ("0::/\n", V2.format(part="/"), {"cpu.max": "max 100000\n"}, []),
    "version 2 without a name space": (
        "0::/system.slice/docker-1.scope\n",
        V2.format(part="/"),
        {"system.slice~docker-1.scope~cpu.max": "50000 100000\n"},
        [0.5],
    ),
    "version 2, a limit further up": (
        "0::/kubepods/pod1/box\n",
        V2.format(part="/"),
        {"kubepods~pod1~box~cpu.max": "max 100000\n", "kubepods~pod1~cpu.max": "300000 100000\n"},
        [3.0],
    ),
    "version 2, its own part mounted": (
        "0::/docker/1/inner\n",
        V2.format(part="/docker/1"),
        {"inner~cpu.max": "200000 100000\n", "cpu.max": "100000 100000\n"},
        [2.0, 1.0],
    ),
    "version 2, a group outside of the name space": (
        "0::/../../box\n", V2.format(part="/.."), {"cpu.max": "50000 100000\n"}, [0.5],
    ),
    "version 1 without a name space, its own part mounted": (
        "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n0::/system.slice/x\n",
        V1.format(part="/docker/1") + OTHERS,
        {f"cpu,cpuacct~cpu.{name}": value for name, value in HALF.items()},
        [0.5],
    ),
    "version 1, everything mounted": (
        "3:cpu,cpuacct:/docker/1\n",
        V1.format(part="/"),
        {f"cpu,cpuacct~docker~1~cpu.{name}": value for name, value in HALF.items()},
        [0.5],
    ),
    "version 1, no limit": (
        "3:cpu,cpuacct:/\n",
        V1.format(part="/"),
        {"cpu,cpuacct~cpu.cfs_quota_us": "-1\n", "cpu,cpuacct~cpu.cfs_period_us": "100000\n"},
        [],
    ),
    "both versions, cores limited by the first": (
        "3:cpu,cpuacct:/a\n0::/a\n",
        V1.format(part="/") + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        {f"cpu,cpuacct~a~cpu.{name}": value for name, value in HALF.items()},
        [0.5],
    ),
    "a mount point with a space": (
        "0::/\n",
        V2.format(part="/").replace("/sys/fs/cgroup", "/sys/fs/cgroup/my\\040groups"),
        {"my groups~cpu.max": "50000 100000\n"},
        [0.5],
    ),
    "nonsense": ("0::/\n3:cpu\n", "what\n", {"cpu.max": "a b\n"}, []),
    "a limit that does not read": ("0::/\n", V2.format(part="/"), {"cpu.max": "50000\n"}, []),
    "a period of nothing": ("0::/\n", V2.format(part="/"), {"cpu.max": "50000 0\n"}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_limit_around_the_process_counts(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, mounts, limits, expected = CASES[name]
    root = system(tmp_path, groups, mounts, **limits)
    assert cpu_quotas(root) == expected
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(MANY)), raising=False)
    assert usable_cores(root) == max(1, min([MANY, *map(int, expected)]))


def test_without_proc_affinity_alone_counts(tmp_path: Path) -> None:
    assert cpu_quotas(tmp_path) == []
    assert usable_cores(tmp_path) >= 1


def test_a_real_group_of_half_a_core() -> None:
    """A separate process in a real control group, if this machine allows the test to create one."""
    tops = [Path("/sys/fs/cgroup/cpu,cpuacct"), Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")]
    group = next((top for top in tops if top.is_dir()), tops[-1]) / f"infogan-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error.strerror}")
    try:
        limit = group / "cpu.max"
        text, file = ("50000 100000", limit) if limit.exists() else ("50000", group / "cpu.cfs_quota_us")
        if not file.exists():
            pytest.skip("this hierarchy does not limit cores")
        file.write_text(text)
        code = "from infogan.cores import cpu_quotas, usable_cores; print(min(cpu_quotas()), usable_cores())"
        command = f'echo $$ > "{group}/cgroup.procs" && exec "$0" -c "{code}"'
        ran = subprocess.run(
            ["sh", "-c", command, sys.executable], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except OSError as error:
        pytest.skip(f"the group cannot be limited: {error.strerror}")
    finally:
        group.rmdir()
    assert ran.stdout.split() == ["0.5", "1"]
