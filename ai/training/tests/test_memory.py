"""Memory that was freed is there for the next tensor: no page of it is asked of the system again."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FAULTS = """
import resource, torch
from hilum_training.memory import keep_freed
keep_freed()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
told = []
for turn in range(10):
    before = faults()
    tensor = torch.ones(16 * 2**20)  # 64 MB, 16,384 pages
    told.append(faults() - before)
    del tensor
print(min(told))  # small pieces may come to lie in between at first
"""


def test_freed_memory_is_kept() -> None:
    run = subprocess.run([sys.executable, "-c", FAULTS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 100
