"""The environment that `make` needs: made, completed, or found up to date.

    in the conda environment `convexnn`    check its packages against pyproject.toml, install this library into it
    anywhere else                          .venv, pip, requirements/constraints.txt, the extras in EXTRAS

The decisions are one pure function, `plan(facts)`, tested for every situation in tests/test_bootstrap.py.
Standard library and Python 3.8's syntax only, so that an old interpreter gets a sentence and not a traceback.
"""

# 1 the plan   2 carrying it out

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from facts import (
    CONDA_NAME,
    LOCK,
    MINIMUM,
    ROOT,
    Facts,
    Refused,
    gather,
    is_complete,
    is_current,
    site_packages,
    stamp_file,
    venv_python,
)

EXTRAS = "notebooks,test,lint,site,sweep,tables,browser"

# 1 the plan


@dataclass(frozen=True)
class Step:
    """One command, what to say before it, and whether the work goes on when it fails."""

    say: str
    argv: tuple[str, ...]
    optional: bool = False


def plan(facts: Facts) -> list[Step]:
    """The commands that turn the present state into a finished environment; none when it is up to date.

    Raises Refused when there is no way, with the next thing to do in the message.
    """
    if is_current(facts):
        return []
    return plan_conda(facts) if facts.in_conda else plan_venv(facts)


def plan_conda(facts: Facts) -> list[Step]:
    refuse_old_python(facts)
    if facts.conda_complaints:
        lacks = "; ".join(facts.conda_complaints)
        update = f"conda env update -n {CONDA_NAME} -f environment.yml"
        raise Refused(f"the conda environment lacks what is declared: {lacks}. Try: {update}")
    argv = (facts.python, "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation", "-e", ".")
    return [Step("installing convexnn into the conda environment", argv)]


def plan_venv(facts: Facts) -> list[Step]:
    """[make .venv], [drop the CPU torch], [CPU torch through uv], then everything else through pip."""
    venv = venv_python(facts.system)
    pip = (venv, "-m", "pip", "install", "-qq")  # -q would still repeat a warning for every package
    steps = make_venv(facts)
    if facts.has_cpu_torch and facts.has_gpu and not facts.has_local_wheels and facts.venv != "foreign":
        drop = (venv, "-m", "pip", "uninstall", "-qq", "-y", "torch")
        steps.append(Step("there is a GPU: the CPU build of torch makes way for the CUDA build", drop))
    if needs_cpu_index(facts):
        pin = f"torch=={facts.torch}"
        uv = (venv, "-m", "uv", "pip", "install", "-q", "--python", venv, "--torch-backend", "cpu", pin)
        steps.append(Step("installing uv, which knows where CPU builds of torch are", (*pip, "uv"), optional=True))
        steps.append(Step(f"installing {pin}, CPU build", uv, optional=True))
    install = (*pip, "-c", LOCK, "-e", f".[{EXTRAS}]")
    return [*steps, Step("installing the locked packages (one to three minutes the first time)", install)]


def make_venv(facts: Facts) -> list[Step]:
    if facts.venv == "usable":
        return []
    refuse_old_python(facts)
    if not facts.has_venv_module:
        raise Refused(f"{facts.python} lacks venv or ensurepip. On Debian or Ubuntu: apt install python3-venv")
    clear = ("--clear",) if facts.venv == "foreign" else ()
    doing = "completing" if facts.venv == "partial" else "creating"
    return [Step(f"{doing} .venv ({dotted(facts.version)})", (facts.python, "-m", "venv", *clear, ".venv"))]


def refuse_old_python(facts: Facts) -> None:
    if facts.version < MINIMUM:
        found, needed = dotted(facts.version), dotted(MINIMUM)
        raise Refused(f"{needed} or newer is needed and {facts.python} is {found}. Try: make env PYTHON=python3.12")


def dotted(version: tuple[int, int]) -> str:
    return f"Python {version[0]}.{version[1]}"


def needs_cpu_index(facts: Facts) -> bool:
    """On Linux plain pip takes gigabytes of CUDA libraries; elsewhere, or from a local folder, the CPU build."""
    return facts.system == "Linux" and not facts.has_gpu and not facts.has_local_wheels


# 2 carrying it out


def main() -> int:
    start = time.monotonic()
    try:
        facts = gather()
        steps = plan(facts)
        if steps:
            stamp = stamp_file(ROOT, facts.in_conda)
            forget(stamp, [] if facts.in_conda else site_packages(ROOT / ".venv"))
            carry_out(steps)
            write_stamp(stamp, facts.key)
            say(f"ready after {time.monotonic() - start:.0f} s")
    except Refused as reason:
        say(str(reason))
        return 1
    except KeyboardInterrupt:
        say("stopped; the next `make` goes on from here")
        return 130
    return 0


def forget(stamp: Path, sites: list[Path]) -> None:
    """Drop the stamp and whatever a killed installation left half-written, so that pip installs it again."""
    if stamp.exists():
        stamp.unlink()
    for site in sites:
        torn = [folder for folder in site.glob("*.dist-info") if not is_complete(folder)]
        for folder in [*torn, *site.glob("~*")]:  # pip renames what it is about to replace to ~name
            shutil.rmtree(folder, ignore_errors=True)


def carry_out(steps: list[Step]) -> None:
    """Run the steps; after an optional one fails, the other optional ones are left out and the rest is tried."""
    gave_up = False
    for step in steps:
        if step.optional and gave_up:
            continue
        say(step.say)
        if run(step) == 0:
            continue
        if not step.optional:
            raise Refused(f"`{' '.join(step.argv)}` failed, see above; the next `make` goes on from here")
        gave_up = True
        say("that failed (no way to the CPU builds); going on with plain pip, which may fetch the larger CUDA build")


def run(step: Step) -> int:
    out = subprocess.DEVNULL if step.optional else None
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(step.argv, cwd=ROOT, env=environ, stdout=out, stderr=out, check=False).returncode


def write_stamp(path: Path, key: str) -> None:
    """Last and at once: a kill before this line leaves no stamp, never a wrong one."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(key + "\n", encoding="utf-8")
    os.replace(str(partial), str(path))


def say(sentence: str) -> None:
    print(f"env: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
