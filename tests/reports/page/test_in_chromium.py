"""The page in a real browser: what a person does with it, by mouse, keyboard, phone and printer."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import examples_made_up
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
DRIVER = shutil.which("chromedriver") or ""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with chromedriver is installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # As root, as in a container, Chromium has no sandbox.
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(hostile_page: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(hostile_page, "utf-8")
    return path.as_uri()


@pytest.fixture()
def page(browser: Any, address: str) -> Iterator[Any]:
    """The open page; in the end nothing was complained of, nothing was fetched, and nothing of a text was run."""
    resize(browser, 1200)
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(address)
    ready(browser)
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert {url.split("#")[0] for url in asked} <= {address}
    assert browser.execute_script("return window.broken") is None


def until(condition: Callable[[], Any]) -> Any:
    for _ in range(200):
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("did not happen within ten seconds")


def ready(browser: Any) -> None:
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready") == "true")


def resize(browser: Any, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def css(browser: Any, selector: str) -> list[Any]:
    return list(browser.find_elements("css selector", selector))


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def rows(browser: Any) -> list[str]:
    """The methods in the first panel of the summary; the others show the same in the same order."""
    each = [
        [e.text for e in panel.find_elements("css selector", "tbody.line tr.method th") if e.is_displayed()]
        for panel in css(browser, "table.summary")
    ]
    assert len(each) > 1 and all(found == each[0] for found in each)
    return each[0]


def test_sorting(page: Any) -> None:
    assert rows(page) == ["Naive", "ASA"]
    button = css(page, "button.sort")[1]
    button.click()
    assert css(page, "th[aria-sort='descending']")
    assert rows(page) == ["ASA", "Naive"]
    # The difference still stands below its method.
    labels = [e.text for e in css(page, "table.summary")[0].find_elements("css selector", "tbody.line th")]
    assert labels == ["ASA", "ASA − Naive", "MDE", "Naive"]
    button.click()
    assert rows(page) == ["Naive", "ASA"]


def test_filtering_the_table(page: Any) -> None:
    css(page, "#row-filter")[0].send_keys("asa")
    assert rows(page) == ["ASA"]
    assert css(page, "#row-count")[0].text == "1 of 2 methods"


def count(browser: Any) -> int:
    return int(css(browser, "#count")[0].text.rsplit(" ", 1)[1].replace(",", ""))


def choose(browser: Any, name: str, text: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(css(browser, f"#f-{name}")[0]).select_by_visible_text(text)


def test_filtering_and_searching_examples(page: Any) -> None:
    source = examples_made_up.report()
    assert count(page) == sum(len(item.rows) for item in source.attacks)
    choose(page, "status", "successful")
    wanted = sum(int((item.rows["status"] == "successful").sum()) for item in source.attacks)
    until(lambda: count(page) == wanted)
    choose(page, "subject", "ASA (minilm-l6)")
    choose(page, "attack", "Pruthi")
    mine = [a for a in source.attacks if (a.subject.method, a.attack.name) == ("asa", "pruthi")]
    until(lambda: count(page) == sum(int((a.rows["status"] == "successful").sum()) for a in mine))
    choose(page, "status", "any")
    css(page, "#f-text")[0].send_keys("number 7")
    until(lambda: count(page) == sum(int(a.rows["original"].str.contains("number 7").sum()) for a in mine))
    css(page, "#f-text")[0].send_keys(" in no text")
    until(lambda: css(page, "#count")[0].text == "Nothing fits these filters.")


def test_paging(page: Any) -> None:
    assert not css(page, "#previous-page")[0].is_enabled()
    first = css(page, "#list")[0].text
    css(page, "#next-page")[0].click()
    until(lambda: css(page, "#count")[0].text.startswith("26–50 of"))
    assert css(page, "#list")[0].text != first
    assert len(css(page, "#list button")) == 25  # no more than a page of them is in the document


def test_an_example_opens_with_its_changes_and_has_a_link(page: Any, address: str) -> None:
    choose(page, "status", "successful")
    until(lambda: all("successful" in e.text for e in css(page, "#list button")))
    css(page, "#list button")[0].click()
    until(lambda: css(page, "#detail ins"))
    assert css(page, "#detail del")[0].text == "film"
    assert css(page, "#detail ins")[0].text == "fi1m"
    # Two methods, three seeds, two attacks of the same example; probabilities before and after.
    assert len(css(page, "#detail tbody tr")) == 12
    open_row = css(page, "#detail tbody tr:has([aria-current])")[0]
    assert open_row.text.count("%") == 2
    link = page.current_url
    assert link.startswith(f"{address}#example=")
    said = css(page, "#detail")[0].text
    page.get("about:blank")
    page.get(link)
    ready(page)
    assert until(lambda: css(page, "#detail")[0].text) == said


def test_a_link_to_nothing_says_so(page: Any, address: str) -> None:
    page.get(f"{address}#example=000000000000")
    until(lambda: "no example of the address 000000000000" in css(page, "#detail")[0].text)


def test_light_and_dark(page: Any) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert page.execute_script(ground) == "rgb(255, 255, 255)"
    css(page, "#theme")[0].click()
    assert page.execute_script(ground) == "rgb(20, 22, 26)"
    css(page, "#theme")[0].click()
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_script("delete document.documentElement.dataset.theme")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert page.execute_script(ground) == "rgb(20, 22, 26)"
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_on_a_phone_nothing_leaves_the_screen(page: Any) -> None:
    resize(page, 360)
    page.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    # The example with the longest word among them.
    css(page, "#f-text")[0].send_keys("wordword")
    first = "return document.querySelector('#list button')?.textContent ?? ''"
    until(lambda: "wordword" in page.execute_script(first))
    css(page, "#list button")[0].click()
    until(lambda: "wordword" in css(page, "#detail")[0].text)
    assert len(css(page, "#detail .text")[0].get_attribute("textContent")) > 100_000
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_by_keyboard_alone(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.execute_script("document.querySelector('#next-page').focus()")
    press(page, Keys.TAB)
    focused = "return document.activeElement.dataset.at"
    assert page.execute_script(focused) == "0"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert page.execute_script(outline) == "solid"
    press(page, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.execute_script(focused) == "2"
    press(page, Keys.ARROW_UP)
    assert page.execute_script(focused) == "1"
    press(page, Keys.ARROW_RIGHT)
    until(lambda: page.execute_script(focused) == "25")
    press(page, Keys.ARROW_UP)
    until(lambda: page.execute_script(focused) == "24")
    press(page, Keys.ENTER)
    until(lambda: page.execute_script("return document.activeElement.id") == "detail")
    # Everything that reacts to a click is reached by the tabulator.
    unreachable = "return [...document.querySelectorAll('button, a[href], select, input')].filter((e) => e.tabIndex < 0).length"
    assert page.execute_script(unreachable) == 0


def test_it_prints(page: Any) -> None:
    css(page, "#theme")[0].click()
    printed = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF") and len(printed) > 20_000
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert (
        page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    assert not css(page, "nav")[0].is_displayed() and not css(page, "#filters")[0].is_displayed()
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_hostile_texts_are_shown_and_do_nothing(page: Any) -> None:
    from asa_bench.reports.text import visible

    choose(page, "subject", "ASA (minilm-l6)")
    choose(page, "attack", "Pruthi")
    until(lambda: count(page) == 60)
    found = []
    for _ in range(3):
        for at in range(len(css(page, "#list button"))):
            before = page.current_url
            page.execute_script(f"document.querySelectorAll('#list button')[{at}].click()")
            until(lambda before=before: page.current_url != before)
            wanted = page.execute_script(f"return document.querySelectorAll('#list button')[{at}].dataset.at")
            opened = "return document.querySelector('#detail [aria-current]')?.dataset.at"
            until(lambda opened=opened, wanted=wanted: page.execute_script(opened) == wanted)
            found.append(page.execute_script("return document.querySelector('#detail .text').textContent"))
        shown = css(page, "#count")[0].text
        page.execute_script("document.querySelector('#next-page').click()")
        if len(found) < 60:
            until(lambda shown=shown: css(page, "#count")[0].text != shown)
    assert len(found) == 60
    for text in examples_made_up.HOSTILE:
        assert any(shown.startswith(f"{visible(text)} film") for shown in found), text[:80]
    inside = "return document.querySelectorAll('#explorer img, #explorer svg, #explorer script').length"
    assert page.execute_script(inside) == 0
