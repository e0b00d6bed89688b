"""The command as a user types it. ROOFTOP_BINARY names it (ctest sets it)."""

import os
import pathlib
import subprocess

import pytest

BINARY = os.environ.get("ROOFTOP_BINARY", "")
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "models"


@pytest.fixture(scope="session", autouse=True)
def needs_binary():
    if not BINARY:
        pytest.skip("ROOFTOP_BINARY does not name the command")


@pytest.fixture(scope="session")
def rooftop(tmp_path_factory):
    """Runs a command, on the CPU; measured roofs go to a cache folder of the tests' own."""
    cache = tmp_path_factory.mktemp("cache")
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "NO_COLOR": "1",
                   "CUDA_VISIBLE_DEVICES": ""}

    def run(*arguments, status=0, text=None, timeout=240, **extra):
        done = subprocess.run(
            [BINARY, *map(str, arguments)], input=text, capture_output=True, timeout=timeout,
            env={**environment, **extra}, text=True, encoding="utf-8", errors="replace")
        assert done.returncode == status, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def fixtures():
    return FIXTURES
