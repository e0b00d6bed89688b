"""report.html in a real headless Chromium, opened from file:// with no network.

The page offers no hooks for tests: they look at its DOM, move a real mouse, press real keys, and ask ECharts for the
chart that it drew (echarts.getInstanceByDom).
"""

import json
import time
import xml.etree.ElementTree as ElementTree

import pytest

pytest.importorskip("selenium", reason="Selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

SERIES = ["qkv mlp init", "qkv mlp ar", "up/gate/down init", "up/gate/down ar", "qk/pv init", "qk/pv ar"]
COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b"]
CHART = "const chart = echarts.getInstanceByDom(document.getElementById('chart')); "


class Page:
    def __init__(self, browser, folder, width=1280):
        self.browser = browser
        self.file = folder / "report.html"
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False})
        browser.get_log("browser")
        browser.get_log("performance")
        browser.get(self.file.as_uri())
        self.run("window.scrollTo(0, 0)")

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def option(self):
        """What the chart shows, without its functions."""
        return self.run(CHART + """
            const {series, legend, xAxis, yAxis} = chart.getOption();
            return {
              series: series.map(s => ({name: s.name, type: s.type, color: s.color, dash: s.lineStyle?.type,
                data: s.data.map(d => d.value ?? d), symbols: s.data.map(d => d.symbol ?? s.symbol)})),
              selected: legend[0].selected,
              axes: [xAxis[0], yAxis[0]].map(a => ({type: a.type, min: a.min, max: a.max, name: a.name})),
            };""")

    def series(self, name):
        return next(s for s in self.option()["series"] if s["name"] == name)

    def legend(self, name):
        return self.browser.find_element(By.CSS_SELECTOR, f"#legend button[data-series='{name}']")

    def show_only(self, name):
        selected = self.option()["selected"]
        for other in SERIES:
            if selected[other] != (other == name):
                self.legend(other).click()

    def hover(self, series, index, patience=10):
        """Moves the mouse to a point; the text of its tooltip, or '' where none comes up within `patience` seconds."""
        index_of_series = [s["name"] for s in self.option()["series"]].index(series)
        x, y = self.run(CHART + """
            const data = chart.getOption().series[arguments[0]].data[arguments[1]].value;
            return chart.convertToPixel({seriesIndex: arguments[0]}, data);""", index_of_series, index)
        box = self.browser.find_element(By.ID, "chart")
        left, top = -box.rect["width"] / 2, -box.rect["height"] / 2
        self.move(box, left + 3, top + 3)
        self.wait(lambda: not self.tooltip(), 10)  # an earlier point's
        self.move(box, round(left + x), round(top + y))
        self.wait(self.tooltip, patience)
        return self.tooltip()

    def move(self, element, x, y):
        ActionChains(self.browser, duration=20).move_to_element_with_offset(element, x, y).perform()

    @staticmethod
    def wait(condition, patience):
        end = time.monotonic() + patience
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)

    def tooltip(self):
        shown = [t for t in self.browser.find_elements(By.CSS_SELECTOR, "#chart .tooltip") if t.is_displayed()]
        visible = self.run("return arguments[0].map(t => getComputedStyle(t.parentElement).opacity !== '0')", shown)
        return "\n".join(t.text for t, seen in zip(shown, visible) if seen)

    def errors(self):
        return [e["message"] for e in self.browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        events = [json.loads(e["message"])["message"] for e in self.browser.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@pytest.fixture
def open_page(browser, samples):
    return lambda name, **how: Page(browser, samples / name, **how)


def roof_lines(page):
    return [s for s in page.option()["series"] if s["type"] == "line"]


def scatters(page):
    return [s for s in page.option()["series"] if s["type"] == "scatter"]


def chooser(page, label):
    return Select(page.browser.find_element(By.CSS_SELECTOR, f"select[aria-label='{label}']"))


def test_six_series_with_their_points(open_page):
    page = open_page("sweep")
    drawn = scatters(page)
    assert [s["name"] for s in drawn] == SERIES
    assert [s["color"] for s in drawn] == COLOURS
    assert [len(s["data"]) for s in drawn] == [43] * 6
    x, y = page.option()["axes"]
    assert (x["type"], x["min"], x["max"]) == ("log", 0.6, 10e3)
    assert (y["type"], y["min"]) == ("log", 10e9)
    assert page.errors() == []


def test_points_lie_where_the_closed_forms_say(open_page):
    # Llama 7B, bf16, decode: flash attention reads the cache once, whatever the batch; MHA: n/g = 1.
    h, n, d = 4096, 32, 128
    page = open_page("sweep")
    expected = {4 * n * d * s / (2 * (2 * n * d + 2 * n * d * s)) for s in (128, 256, 512, 1024, 2048, 4096, 8192)}
    found = {point[0] for point in page.series("qk/pv ar")["data"]}
    assert sorted(found)[0] == pytest.approx(min(expected))
    assert sorted(found)[-1] == pytest.approx(max(expected))
    # The projections of one decode step, fused: 2·b·h·3h over e·(3h² + 4bh).
    for batch, point in zip((1, 2, 4, 8, 16, 32, 64), sorted({tuple(p) for p in page.series("qkv mlp ar")["data"]})):
        assert point[0] == pytest.approx(2 * batch * h * 3 * h / (2 * (3 * h * h + 4 * batch * h)))


def test_three_roof_lines(open_page):
    page = open_page("sweep")
    bandwidth, compute, ridge = roof_lines(page)
    assert [line["name"] for line in (bandwidth, compute, ridge)] == ["768GB/s", "181 TFLOP/s", "ridge 236 FLOP/byte"]
    assert [line["color"] for line in (bandwidth, compute, ridge)] == ["#0000ff", "#ff0000", "#008000"]
    assert all(line["dash"] == "dashed" for line in (bandwidth, compute, ridge))
    assert bandwidth["data"][0] == [0.6, pytest.approx(0.6 * 768e9)]
    assert bandwidth["data"][1] == compute["data"][0] == ridge["data"][1] == [pytest.approx(181e12 / 768e9), 181e12]
    assert compute["data"][1] == [10e3, 181e12]
    assert ridge["data"][0][0] == ridge["data"][1][0]


@pytest.mark.parametrize("name", SERIES)
def test_hover_tells_everything_about_a_point(open_page, name):
    page = open_page("sweep")
    chooser(page, "Batch").select_by_visible_text("1")
    chooser(page, "Length").select_by_visible_text("128")
    page.show_only(name)
    text = page.hover(name, 0)
    operator = {"qkv": "qkv", "up/": "up_gate_down", "qk/": "qk_pv"}[name[:3]]
    phase = name.split()[-1]
    assert text.startswith(name)
    for part in [f"{operator}, {phase}", "batch\n1", "length\n128", "FLOP a step, MODELLED", "B a step, MODELLED",
                 "intensity", "FLOP/B", "performance", "FLOP/s", "of the roof", "% (datasheet:bf16)", "bound by",
                 "time", "MEASURED", f"query tokens\n{128 if phase == 'init' else 1}", "llama-7b"]:
        assert part in text
    assert page.errors() == []


def test_hover_says_where_points_coincide(open_page):
    # The linear layers of a decode step cost the same at every length: the batch's seven points are one.
    page = open_page("sweep")
    page.show_only("up/gate/down ar")
    assert "and 6 more here" in page.hover("up/gate/down ar", 0)
    chooser(page, "Length").select_by_visible_text("256")
    assert "more here" not in page.hover("up/gate/down ar", 0)


def test_hover_shows_a_counted_points_modelled_twin(open_page):
    page = open_page("counted")
    page.show_only("qkv mlp init")
    text = page.hover("qkv mlp init", 0)
    assert "B a step, MEASURED" in text and "compulsory" in text and "amplification 1.03×" in text
    page.show_only("up/gate/down init")
    assert "B a step, JOINED" in page.hover("up/gate/down init", 0), "a hollow mark is hit within, too"
    marks = {name: set(page.series(name)["symbols"]) for name in ("qkv mlp init", "up/gate/down init", "qk/pv init")}
    assert marks["qkv mlp init"] == marks["up/gate/down init"] == {"circle"}  # filled, hollow
    assert all(mark.startswith("path://") for mark in marks["qk/pv init"])
    assert "● bytes and time measured" in page.browser.find_element(By.ID, "chart-caption").text


def test_legend_click_hides_and_shows(open_page):
    page = open_page("sweep")
    page.show_only("qk/pv ar")
    assert page.hover("qk/pv ar", 0) != ""
    page.legend("qk/pv ar").click()
    assert page.legend("qk/pv ar").get_attribute("aria-pressed") == "false"
    assert page.option()["selected"]["qk/pv ar"] is False
    assert page.hover("qk/pv ar", 0, patience=0.5) == ""
    page.legend("qk/pv ar").click()
    assert page.option()["selected"]["qk/pv ar"] is True
    assert page.hover("qk/pv ar", 0) != ""
    page.legend("768GB/s").click()
    assert page.option()["selected"]["768GB/s"] is False


def test_legend_works_from_the_keyboard(open_page):
    page = open_page("sweep")
    for _ in range(20):
        focused = page.browser.switch_to.active_element
        if focused.text == SERIES[1]:
            break
        focused.send_keys(Keys.TAB)
    page.browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert page.option()["selected"][SERIES[1]] is False
    assert page.browser.switch_to.active_element.text == SERIES[1], "focus stays where it was"


def test_roofs_can_be_switched(open_page):
    page = open_page("sweep")
    page.show_only("qk/pv ar")
    before = page.hover("qk/pv ar", 0)
    chooser(page, "Roofs").select_by_visible_text("measured")
    assert [line["name"] for line in roof_lines(page)] == ["672GB/s", "128 TFLOP/s", "ridge 190 FLOP/byte"]
    after = page.hover("qk/pv ar", 0)
    assert "(datasheet:bf16)" in before and "(measured:bf16)" in after

    def share(text):
        return float(text.split("of the roof\n")[1].split(" %")[0])

    assert share(after) == pytest.approx(share(before) * 768 / 672, abs=0.15)


def test_points_can_be_filtered_by_cell(open_page):
    page = open_page("sweep")
    chooser(page, "Batch").select_by_visible_text("4")
    assert [len(s["data"]) for s in scatters(page)] == [7] * 6
    chooser(page, "Length").select_by_visible_text("512")
    assert [len(s["data"]) for s in scatters(page)] == [1] * 6
    chooser(page, "Batch").select_by_visible_text("all")
    assert [len(s["data"]) for s in scatters(page)] == [7] * 6


def test_tables(open_page):
    page = open_page("sweep")
    rows = page.browser.find_elements(By.CSS_SELECTOR, "#rows tbody tr")
    names = [row.find_element(By.TAG_NAME, "th").text for row in rows]
    assert names[:6] == SERIES and names[-2:] == ["unclassified", "idle"]
    assert page.browser.find_element(By.CSS_SELECTOR, "#rows tfoot").text.startswith("total")
    assert "100 %" in page.browser.find_element(By.CSS_SELECTOR, "#rows tfoot").text
    # Sorted by time, the row that takes longest comes first; pressed again, it comes last.
    time_head = next(b for b in page.browser.find_elements(By.CSS_SELECTOR, "#rows thead button") if b.text == "time")
    for position in (0, -1):
        time_head.click()
        rows = page.browser.find_elements(By.CSS_SELECTOR, "#rows tbody tr th")
        assert rows[position].text == "up/gate/down init"
    # A cell that was not run is marked, never dropped.
    cells = page.browser.find_elements(By.CSS_SELECTOR, "#cells tbody td")
    assert len(cells) == 49 and sum(cell.text == "–" for cell in cells) == 6
    chooser(page, "Figure").select_by_visible_text("time a step")
    assert page.browser.find_element(By.CSS_SELECTOR, "#cells tbody td").text.endswith("s")
    widths = page.run("return [...document.querySelectorAll('#share-bar span')].map(s => parseFloat(s.style.width))")
    assert sum(widths) == pytest.approx(100)


def heads(page):
    return page.run("return [...document.querySelectorAll('#rows thead th')].map(h => h.textContent);")


def test_counters_have_columns_of_their_own(open_page):
    assert "traffic" not in heads(open_page("sweep"))
    page = open_page("counted")
    assert heads(page)[5:8] == ["traffic", "padding", "tensor"]
    text = page.run("return document.getElementById('rows').textContent;")
    assert "1.09×" in text and "6.40×" in text and "MCJ" in text
    assert "timeline + counters" in page.run("return document.getElementById('facts').textContent;")
    assert "traffic: counted bytes" in page.run("return document.getElementById('rows-caption').textContent;")
    lines = page.run("return [...document.querySelectorAll('#rows tr')].map(r => r.children.length);")
    assert len(set(lines)) == 1


def test_counters_without_times(open_page):
    page = open_page("counters")
    assert heads(page) == ["row", "FLOPs", "bytes", "traffic", "padding", "tensor", "FLOP/B", "src"]
    text = page.run("return document.body.innerText;")
    assert "counters were read, but no times" in text
    assert not page.browser.find_element(By.ID, "chart").is_displayed()
    assert "NaN" not in text and "Infinity" not in text
    lines = page.run("return [...document.querySelectorAll('#rows tr')].map(r => r.children.length);")
    assert len(set(lines)) == 1


def test_links_are_relative(open_page):
    page = open_page("cpu")
    links = [a.get_dom_attribute("href") for a in page.browser.find_elements(By.TAG_NAME, "a")]
    assert {"points.csv", "kernels.csv", "report.json", "roofline.svg", "roofline.png"} <= set(links)
    assert not any("/" in link for link in links)


@pytest.mark.parametrize("name", ["cpu", "counted", "hostile"])
def test_nothing_leaves_the_page(open_page, name):
    page = open_page(name)
    page.hover("qk/pv ar", 0)
    assert page.requests() == [page.file.as_uri()]
    assert page.run("return performance.getEntriesByType('resource').length") == 0


def test_hostile_names_are_text(open_page):
    page = open_page("hostile")
    for name in SERIES:
        page.show_only(name)
        assert page.hover(name, 0).startswith(name)
    chooser(page, "Series").select_by_index(1)
    assert page.run("return window.pwned === undefined")
    assert page.run("return document.querySelectorAll('img, iframe, b:not(#share-key b)').length") == 0
    assert page.run("return document.scripts.length") == 3
    assert "</script><script>window.pwned=1</script>" in page.browser.find_element(By.TAG_NAME, "h1").text
    assert "<img src=x onerror=" in page.browser.find_element(By.ID, "findings").text
    assert page.errors() == []


def test_a_report_without_points(open_page):
    page = open_page("empty")
    assert [s["name"] for s in scatters(page)] == SERIES
    assert sum(len(s["data"]) for s in scatters(page)) == 0
    assert roof_lines(page) == []
    assert "No points" in page.browser.find_element(By.ID, "chart-caption").text
    assert "truncated" in page.browser.find_element(By.ID, "facts").text
    assert not page.browser.find_element(By.ID, "cells-section").is_displayed()
    assert page.errors() == []


def test_twenty_thousand_points_are_quick(open_page, browser):
    # Processor time of the page's thread, so that other work on the machine does not count.
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    page = open_page("many")
    page.browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 0))")
    metrics = {m["name"]: m["value"] for m in browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    browser.execute_cdp_cmd("Performance.disable", {})
    print({name: metrics[name] for name in ("TaskDuration", "ScriptDuration", "LayoutDuration")})
    assert sum(len(s["data"]) for s in scatters(page)) == 20000
    assert 0 < metrics["TaskDuration"] < 4, "loaded, laid out and drawn"
    assert page.errors() == []


@pytest.mark.parametrize("width", [360, 420, 1280])
@pytest.mark.parametrize("name", ["counted", "hostile"])
def test_no_width_scrolls_sideways(open_page, name, width):
    page = open_page(name, width=width)
    assert page.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(open_page, browser, theme):
    feature = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    page = open_page("cpu")
    ratio = page.run("""
        const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        const light = text => { const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map(channel);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const style = s => getComputedStyle(document.querySelector(s));
        const pair = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
          return (x + 0.05) / (y + 0.05); };
        return Math.min(pair(style('body').color, style('body').backgroundColor),
          pair(style('.caption').color, style('.card').backgroundColor),
          pair(style('.lead').color, style('body').backgroundColor));""")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert ratio >= 4.5


@pytest.mark.parametrize("name", ["sweep", "counted", "counters", "hostile", "empty"])
def test_the_svg_is_xml_with_its_text_as_text(samples, name):
    root = ElementTree.parse(samples / name / "roofline.svg").getroot()
    texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(SERIES) <= set(texts)
    if name == "sweep":
        assert {"768GB/s", "181 TFLOP/s", "ridge 236 FLOP/byte", "Roofline Model (Llama 7B, A6000)"} <= set(texts)


def test_a_real_sweep(browser, real_report):
    page = Page(browser, real_report)
    drawn = scatters(page)
    assert [s["name"] for s in drawn] == SERIES
    assert all(len(s["data"]) == 4 for s in drawn)
    assert len(roof_lines(page)) == 3
    page.show_only("up/gate/down ar")
    assert page.hover("up/gate/down ar", 0).startswith("up/gate/down ar")
    assert page.requests() == [page.file.as_uri()]
    assert page.errors() == []
