"""The report as its readers have it: in a window, with a mouse or with the keyboard alone."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

OPEN_ALL = "document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
# what reaches over an edge of the window, less what scrolls in a box of its own
TOO_WIDE = """
const boxes = (one) => one.closest(".scroll, pre, dialog, .skip");
return [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && !boxes(one.parentElement) && !one.closest("svg *"))
  .filter((one) => { const r = one.getBoundingClientRect();
    return r.width && (r.right > innerWidth + 1 || r.left < -1) && !one.matches(".skip"); })
  .map((one) => one.outerHTML.slice(0, 80));
"""
FOCUSABLE = "a[href], button, summary, [tabindex='0']"


def column(browser, place: int) -> list[str]:
    cells = "return [...document.querySelectorAll('#table4 tbody tr')].map((row) => row.cells"
    return browser.run(f"{cells}[{place}].textContent)")


def heading(browser, name: str):
    return browser.find_element(By.XPATH, f"//*[@id='table4']//th/button[text()='{name}']")


def wait_until_back(browser, drawing) -> None:
    """Wait for the picture, which moves back a moment after its dialog has closed."""
    pictures = WebDriverWait(browser, 10).until(lambda _: drawing.find_elements(By.TAG_NAME, "svg"))
    assert pictures[0].is_displayed()


def test_it_loads_itself_alone_and_without_complaint(browser, page):
    assert browser.title == "small: finescale report"
    browser.run(OPEN_ALL)
    assert browser.get_log("browser") == []
    events = browser.network()
    asked = [e["params"]["request"]["url"] for e in events if e["method"].endswith("BeSent")]
    assert asked[0] == page.as_uri()
    assert all(url.startswith("data:") for url in asked[1:])
    assert not [event for event in events if event["method"] == "Network.loadingFailed"]


def test_every_link_leads_to_something_that_is_shown(browser):
    targets = browser.run(
        "return [...document.links].map((a) => [a.getAttribute('href'), a.hash.slice(1)])"
    )
    assert len(targets) > 20
    for href, name in targets:
        assert href == f"#{name}"
        shown = "return !!document.getElementById(arguments[0])?.getBoundingClientRect().height"
        assert browser.run(shown, name), name


def test_the_contents_lead_to_a_figure(browser):
    contents = browser.find_element(By.CSS_SELECTOR, "#contents")
    folded = browser.width < 600
    assert (contents.get_attribute("open") is None) == folded
    if folded:
        contents.find_element(By.TAG_NAME, "summary").click()
    contents.find_element(By.CSS_SELECTOR, "a[href='#figure2']").click()
    top = "return document.getElementById('figure2').getBoundingClientRect().top"
    assert abs(browser.run(top)) < 100
    assert (contents.get_attribute("open") is None) == folded


def test_nothing_is_wider_than_the_window(browser):
    browser.run(OPEN_ALL)
    assert browser.run("return document.documentElement.scrollWidth") <= browser.width
    assert browser.run(TOO_WIDE) == []
    overflows = "const box = document.querySelector('#table4 .scroll');"
    assert browser.run(f"{overflows} return box.scrollWidth > box.clientWidth")


@pytest.mark.parametrize("width", [600, 900, 1200, 1220, 1300])
def test_windows_between_narrow_and_wide(chromium, page, width):
    chromium.show(page, width, 900)
    chromium.run(OPEN_ALL)
    assert chromium.run("return document.documentElement.scrollWidth") <= width


def test_every_figure_is_drawn(browser):
    figures = browser.find_elements(By.CSS_SELECTOR, ".drawing > svg")
    assert len(figures) == 3
    for figure in figures:
        assert figure.is_displayed()
        assert figure.rect["width"] > 0.8 * min(browser.width, 1000) - 60
        assert 0.4 < figure.rect["height"] / figure.rect["width"] < 0.7
        drawn = "return [...arguments[0].querySelectorAll('path, use')].map((one) => one.getBBox())"
        assert any(box["width"] > 20 for box in browser.run(drawn, figure))


def test_a_click_sorts_numbers_as_numbers_and_another_turns_the_order(browser):
    names = column(browser, 0)
    rising = ["−2.5", "0.125", "9", "10", "8192"]
    for order, expected in (
        ("ascending", [*rising, ""]),
        ("descending", [*reversed(rising), ""]),
    ):
        heading(browser, "Number").click()
        assert column(browser, 1) == expected
        (sorted_by,) = browser.find_elements(By.CSS_SELECTOR, "#table4 [aria-sort]")
        assert (sorted_by.text[:6], sorted_by.get_attribute("aria-sort")) == ("Number", order)
    heading(browser, "Name").click()
    assert column(browser, 0) == names
    assert len(browser.find_elements(By.CSS_SELECTOR, "#table4 [aria-sort]")) == 1


def test_a_figure_can_be_enlarged_and_put_back(browser):
    drawing = browser.find_element(By.CSS_SELECTOR, "#figure2 .drawing")
    size = drawing.rect
    drawing.click()
    dialog = browser.find_element(By.ID, "zoom")
    assert dialog.is_displayed()
    assert dialog.find_element(By.ID, "zoom-title").text.startswith("Figure 2. ")
    shown = dialog.find_element(By.TAG_NAME, "svg")
    width = shown.rect["width"]
    close = dialog.find_element(By.CSS_SELECTOR, "[data-zoom=close]")
    visible = browser.run("return document.documentElement.clientWidth")
    assert close.rect["x"] + close.rect["width"] <= visible  # not below the page's scrollbar
    assert width > 600  # its own size, to be scrolled where the window is narrow
    dialog.find_element(By.CSS_SELECTOR, "[data-zoom=larger]").click()
    assert shown.rect["width"] == pytest.approx(1.5 * width, rel=0.02)
    dialog.find_element(By.CSS_SELECTOR, "[data-zoom=smaller]").click()
    assert shown.rect["width"] == pytest.approx(width, rel=0.02)
    close.click()
    assert not dialog.is_displayed()
    wait_until_back(browser, drawing)
    assert drawing.rect == size
    assert browser.get_log("browser") == []


# Without a mouse


def press(browser, *keys: str) -> None:
    browser.switch_to.active_element.send_keys(*keys)


def test_everything_that_can_be_used_is_reached_by_tab_in_the_order_of_the_page(browser):
    all_of = (
        f'return [...document.querySelectorAll("{FOCUSABLE}")].filter((e) => e.checkVisibility())'
    )
    expected = browser.run(all_of)
    reached = []
    for _ in expected:
        press(browser, Keys.TAB)
        reached.append(browser.switch_to.active_element)
    assert reached == expected


def test_the_first_key_offers_to_skip_the_contents(browser):
    press(browser, Keys.TAB)
    link = browser.switch_to.active_element
    assert link.text == "Skip to the claims"
    assert link.rect["x"] >= 0
    link.send_keys(Keys.ENTER)
    assert browser.current_url.endswith("#claims")


def test_a_table_is_sorted_and_scrolled_by_keys(wide):
    heading(wide, "Number").send_keys(Keys.ENTER)
    assert column(wide, 1)[0] == "−2.5"
    heading(wide, "Number").send_keys(Keys.SPACE)
    assert column(wide, 1)[0] == "8192"
    box = wide.find_element(By.CSS_SELECTOR, "#table4 .scroll")
    box.send_keys(Keys.ARROW_RIGHT * 3)
    WebDriverWait(wide, 10).until(lambda _: wide.run("return arguments[0].scrollLeft > 0", box))


def test_a_figure_is_enlarged_by_keys_and_the_focus_comes_back(wide):
    button = wide.find_element(By.CSS_SELECTOR, "#figure1 .enlarge")
    button.send_keys(Keys.ENTER)
    dialog = wide.find_element(By.ID, "zoom")
    shown = dialog.find_element(By.TAG_NAME, "svg")
    width = shown.rect["width"]
    press(wide, "+")
    assert shown.rect["width"] > width
    stage = wide.switch_to.active_element  # arrows move the picture
    stage.send_keys(Keys.ARROW_DOWN * 3)
    WebDriverWait(wide, 10).until(lambda _: wide.run("return arguments[0].scrollTop > 0", stage))
    press(wide, "-")
    assert shown.rect["width"] == pytest.approx(width, rel=0.02)
    press(wide, Keys.ESCAPE)
    assert not dialog.is_displayed()
    wait_until_back(wide, wide.find_element(By.CSS_SELECTOR, "#figure1 .drawing"))
    assert wide.switch_to.active_element == button
