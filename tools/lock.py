"""requirements/constraints.txt: the newest versions that agree with pyproject.toml, for every platform.

    python tools/lock.py

The file is used with pip's -c only, so lines for other platforms and for CUDA are inert where they do not apply.
It holds names, versions and markers: no address and no hash, because each build of one torch has its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "2.13.0"  # a version with a CPU build and a CUDA build for every supported Python; raise it by hand
OLDEST_PYTHON = "3.11"


def command(pin: Path, output: Path) -> list[str]:
    uv = [sys.executable, "-m", "uv", "pip", "compile", "-q", "pyproject.toml", "--all-extras", "--universal"]
    return [*uv, "--python-version", OLDEST_PYTHON, "--no-annotate", "--no-header", "-c", str(pin), "-o", str(output)]


def main() -> int:
    """Resolve into a temporary file, so that a failure leaves the old lock as it was."""
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "uv"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        pin, output = Path(folder) / "pin.txt", Path(folder) / "constraints.txt"
        pin.write_text(f"torch=={TORCH}\n", encoding="utf-8")
        done = subprocess.run(command(pin, output), cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            print("the lock is unchanged: the versions in pyproject.toml do not resolve (see above)", file=sys.stderr)
            return 1
        (ROOT / "requirements" / "constraints.txt").write_text(output.read_text(encoding="utf-8"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
