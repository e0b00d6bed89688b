"""Sample reports and a headless Chromium that reaches nothing but files."""

import os
import shutil
import subprocess

import pytest

try:
    from selenium import webdriver
except ImportError:  # the tests' own module says so, and is skipped
    webdriver = None

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
SAMPLES = os.environ.get("ROOFTOP_MAKE_SAMPLE_REPORT", "")
BINARY = os.environ.get("ROOFTOP_BINARY", "")


def pytest_collection_modifyitems(items):
    missing = [
        what
        for found, what in [
            (CHROMIUM, "Chromium is not installed"),
            (CHROMEDRIVER, "chromedriver is not installed"),
            (SAMPLES, "ROOFTOP_MAKE_SAMPLE_REPORT does not name make_sample_report (ctest sets it)"),
        ]
        if not found
    ]
    for item in items if missing else []:
        item.add_marker(pytest.mark.skip(reason=missing[0]))


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """The folder with the reports that make_sample_report writes: cpu, sweep, counted, empty, many, hostile."""
    folder = tmp_path_factory.mktemp("samples")
    subprocess.run([SAMPLES, str(folder)], check=True, timeout=120)
    return folder


@pytest.fixture(scope="session")
def real_report(tmp_path_factory):
    """A report of a real sweep on this machine, where ROOFTOP_BINARY names the command."""
    if not BINARY:
        pytest.skip("ROOFTOP_BINARY is not set")
    folder = tmp_path_factory.mktemp("real")
    sweep = ["sweep", "--model", "smollm-135m", "--layers", "2", "--batches", "1,2", "--lengths", "16,32"]
    trace = str(folder / "s.rtrace")
    subprocess.run([BINARY, *sweep, "-o", trace], check=True, timeout=240, stdout=subprocess.DEVNULL)
    subprocess.run([BINARY, "report", trace, "-o", str(folder / "out")], check=True, timeout=120,
                   stdout=subprocess.DEVNULL)
    return folder / "out"


@pytest.fixture(scope="session")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1280,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()
