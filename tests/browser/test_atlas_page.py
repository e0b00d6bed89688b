"""The page of `rooftop reproduce medusa` in a real headless Chromium, opened from file:// with no network."""

import os
import subprocess

import pytest

pytest.importorskip("selenium", reason="Selenium is not installed")
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

BINARY = os.environ.get("ROOFTOP_BINARY", "")


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    if not BINARY:
        pytest.skip("ROOFTOP_BINARY is not set")
    folder = tmp_path_factory.mktemp("medusa")
    subprocess.run([BINARY, "reproduce", "medusa", "-o", str(folder)], check=True, timeout=120, stdout=subprocess.DEVNULL)
    browser.get_log("browser")
    browser.get((folder / "report.html").as_uri())
    return browser


def points(page):
    return page.execute_script("""
        const chart = echarts.getInstanceByDom(document.getElementById('chart'));
        return chart.getOption().series.filter(s => s.type === 'scatter').map(s => s.data.length);""")


def test_every_chart_can_be_picked(page):
    picker = Select(page.find_element(By.CSS_SELECTOR, "#chart-controls select"))
    titles = [option.text for option in picker.options]
    assert len(titles) == 9 and "Llama 33B, A100 80GB PCIe" in titles
    for title in titles:
        picker.select_by_visible_text(title)
        assert title in page.find_element(By.ID, "chart-title").text
        assert points(page)[:6] == [49] * 6
        assert len(page.find_elements(By.CSS_SELECTOR, "#ranges tbody tr")) == 6
    assert page.get_log("browser") == [], "an error, or something that the page tried to load"


def test_the_published_figure_stands_beside_ours(page):
    picker = Select(page.find_element(By.CSS_SELECTOR, "#chart-controls select"))
    picker.select_by_visible_text("Llama 13B, A6000")
    text = page.find_element(By.ID, "ranges").text
    assert "mis-read" in text and "800 to 3000" in text and "Agrees" in text
    picker.select_by_visible_text("Llama 7B, A40")
    assert "mis-read" not in page.find_element(By.ID, "ranges").text


def test_filters_follow_the_chart(page):
    selects = page.find_elements(By.CSS_SELECTOR, "#chart-controls select")
    Select(selects[1]).select_by_visible_text("16")
    assert points(page)[:6] == [7] * 6
    Select(selects[0]).select_by_index(0)
    assert points(page)[:6] == [49] * 6
