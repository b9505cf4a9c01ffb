"""The page of the models, in a browser, over a real server with its workers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.keyboard import tab_to
from support.live import Live, digit

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)>"
VERDICT_MS = 60_000  # a worker may still be loading its model
WIDE = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    """The models in a window of ordinary size, ready to compare two of them."""
    page = open_page("/models", **WIDE)
    expect(page.locator(".compare-form")).to_be_visible()
    return page


def choose(page: Any, first: str, second: str) -> None:
    page.get_by_label("First model").select_option(label=first)
    page.get_by_label("Second model").select_option(label=second)


def photo(page: Any, text: str = "7") -> None:
    page.locator("#compare-photo").set_input_files(
        {"name": f"{text}.png", "mimeType": "image/png", "buffer": digit(text)}
    )


def side(page: Any, model: str) -> Any:
    return page.get_by_role("region", name=model, exact=True).and_(page.locator(".side"))


def test_each_model_has_its_card(page: Any) -> None:
    for name in ("objects", "digits", "digit-detector", "blood-cells"):
        card = page.locator(f"#{name}")
        expect(card.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(card.locator(".figures dd").first).to_have_text(re.compile(r"^\d{2}\.\d%$"))
        expect(card.get_by_role("heading", name="Limitations")).to_be_visible()
    expect(page.locator("#objects .states")).to_contain_text("Default")
    expect(page.locator("#objects .states")).to_contain_text("Loaded, on")
    expect(page.locator("#blood-cells .chips").first).to_have_text(re.compile(r"Platelets\s*RBC"))


def test_links_lead_to_the_cards(page: Any) -> None:
    page.locator(".jump").get_by_role("link", name="blood-cells").click()
    expect(page).to_have_url(re.compile("#blood-cells$"))
    expect(page.locator("#blood-cells h3")).to_be_in_viewport()


def test_plots_open_large_with_the_keyboard_alone(page: Any) -> None:
    links = page.locator("#digits a.plot")
    tab_to(page, links.first)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    image = dialog.locator("img")
    expect(image).to_have_attribute("alt", re.compile("^digits: "))
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth") > 300
    first = image.get_attribute("src")
    page.keyboard.press("ArrowRight")
    expect(image).not_to_have_attribute("src", first or "")
    expect(dialog.locator(".place")).to_have_text("2 of 5")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(links.nth(1)).to_be_focused()


def test_plots_close_by_their_button_and_by_a_click_beside(page: Any) -> None:
    dialog = page.get_by_role("dialog")
    page.locator("#objects a.plot").first.click()
    dialog.get_by_role("button", name="Previous").click()
    expect(dialog.locator(".place")).to_have_text("5 of 5")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    page.locator("#objects a.plot").first.click()
    expect(dialog.locator(".place")).to_have_text("1 of 5")
    page.mouse.click(5, 5)
    expect(dialog).to_be_hidden()


def test_two_models_answer_side_by_side(page: Any) -> None:
    choose(page, "digits", "objects")
    photo(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(side(page, "digits")).to_contain_text("ms in total", timeout=VERDICT_MS)
    expect(side(page, "objects")).to_contain_text("ms in total", timeout=VERDICT_MS)
    expect(side(page, "digits")).to_contain_text("7")
    expect(page.locator(".agreement")).to_have_text("They have no label in common.")
    expect(page.locator("#compare [role=status]").first).to_have_text("Both models are done.")


def test_what_both_say_is_told(page: Any) -> None:
    choose(page, "digits", "digit-detector")
    page.get_by_role("button", name="Sample: numbers").click()
    shared = page.locator(".agreement")
    sentence = re.compile("labels are in both results|Both rank . first")
    expect(shared.get_by_role("heading")).to_have_text(sentence, timeout=VERDICT_MS)
    expect(shared.get_by_role("columnheader")).to_have_text(["Label", "digits", "digit-detector"])
    expect(shared.get_by_role("rowheader").first).to_have_text(re.compile(r"^\d$"))
    expect(shared.get_by_role("cell").first).to_have_text(re.compile(r"^\d{1,3}\.\d%"))


def test_a_card_begins_a_comparison_and_a_sample_is_enough(page: Any) -> None:
    page.locator("#blood-cells a.try").click()
    expect(page.get_by_label("First model").locator(":checked")).to_have_text("blood-cells")
    expect(page.get_by_label("Second model").locator(":checked")).to_have_text("digit-detector")
    page.get_by_role("button", name="Sample: blood").click()
    expect(side(page, "blood-cells")).to_contain_text("RBC", timeout=VERDICT_MS)


def test_a_photo_can_be_dropped_and_both_stand_in_the_history(page: Any) -> None:
    data = page.evaluate_handle(
        """(bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", {type: "image/png"}));
          return transfer;
        }""",
        list(digit("3")),
    )
    choose(page, "digits", "objects")
    page.dispatch_event("#compare", "drop", {"dataTransfer": data})
    expect(page.locator(".chosen figcaption")).to_have_text("dropped.png")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".agreement")).to_be_visible(timeout=VERDICT_MS)
    page.goto(page.url.partition("/models")[0] + "/history")
    expect(page.locator(".photo .name", has_text="dropped.png")).to_have_count(2)


def test_errors_say_what_to_do(page: Any, watch: Any) -> None:
    page.get_by_role("button", name="Compare", exact=True).click()
    alert = page.locator(".compare-form [role=alert]")
    expect(alert).to_contain_text("No photo chosen yet.")
    watch.allow.append("415")
    page.locator("#compare-photo").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )
    expect(alert).to_be_empty()
    page.get_by_role("button", name="Compare", exact=True).click()
    for model in ("objects", "digits"):
        expect(side(page, model)).to_contain_text("not a picture SCAI can read")
    expect(page.locator(".status-line")).to_have_text("Neither model gave a result.")


def test_a_side_that_failed_is_asked_again(page: Any, watch: Any) -> None:
    watch.allow.append("503")
    refusals = iter([True])

    def refuse_once(route: Any) -> None:
        body = route.request.post_data_buffer or b""
        if b"digits" in body and next(refusals, False):
            answer = {"status": "error", "code": "busy", "error": "the queue is full"}
            route.fulfill(status=503, json=answer)
        else:
            route.continue_()

    page.route("**/imageclassification", refuse_once)
    choose(page, "objects", "digits")
    photo(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(side(page, "digits")).to_contain_text("is busy right now", timeout=VERDICT_MS)
    status = page.locator(".status-line")
    expect(status).to_have_text("One of the models gave no result.", timeout=VERDICT_MS)
    side(page, "digits").get_by_role("button", name="Try again").click()
    expect(status).to_have_text("Both models are done.", timeout=VERDICT_MS)
    expect(page.locator(".agreement")).to_be_visible()


def test_the_keyboard_is_enough_to_compare(page: Any) -> None:
    tab_to(page, page.get_by_label("Second model"))
    # Letters typed a second apart would begin a new word each; arrows do not depend on that.
    choice = page.get_by_label("Second model").locator(":checked")
    page.keyboard.press("Home")
    for _ in range(4):
        if choice.inner_text() == "digit-detector":
            break
        page.keyboard.press("ArrowDown")
    expect(choice).to_have_text("digit-detector")
    tab_to(page, page.get_by_role("button", name="Sample: numbers"))
    page.keyboard.press("Enter")
    expect(side(page, "digit-detector")).to_contain_text("ms in total", timeout=VERDICT_MS)


def test_a_pasted_photo_is_taken(page: Any) -> None:
    page.evaluate(
        """(bytes) => {
          const clipboardData = new DataTransfer();
          const file = new File([new Uint8Array(bytes)], "pasted.png", {type: "image/png"});
          clipboardData.items.add(file);
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }""",
        list(digit("3")),
    )
    expect(page.locator(".chosen figcaption")).to_have_text("pasted.png")
    expect(page.locator(".chosen")).to_be_in_viewport()


def test_without_scripts_all_is_there_to_read_and_a_form_tries_one(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("/models", java_script_enabled=False, **WIDE)
    expect(page.locator(".compare-form")).to_be_hidden()
    expect(page.locator("#digits .figures")).to_be_visible()
    form = page.locator(".plain-form").first
    form.get_by_label("Model").select_option("digits")
    form.locator("input[type=file]").set_input_files(
        {"name": "7.png", "mimeType": "image/png", "buffer": digit("7")}
    )
    form.get_by_role("button", name="Recognise the photo").click()
    expect(page).to_have_url(re.compile("/photo"))
    page.goto(page.url.partition("/photo")[0] + "/models")
    page.locator("#digits a.plot").first.click()
    expect(page).to_have_url(re.compile(r"\.png"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_full_page_is_accessible_and_fits(
    open_page: Callable[..., Any], accessible: Callable[[Any], None], scheme: str, width: int
) -> None:
    page = open_page(
        "/models", viewport={"width": width, "height": 800}, color_scheme=scheme, locale="zh-TW"
    )
    expect(page.locator(".compare-form")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("模型")
    for fold in page.locator("details").all():
        fold.evaluate("node => (node.open = true)")
    page.locator(".sample").nth(1).click()
    expect(page.locator(".agreement")).to_be_visible(timeout=VERDICT_MS)
    accessible(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.locator("a.plot").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    accessible(page)


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Live]:
    """A server whose models were named by somebody who means harm."""
    (tmp_path / "labels.txt").write_text(f"{HOSTILE}\n" * 3 + "a\n" * 30)
    config = tmp_path / "ic.config"
    config.write_text(
        f"[{HOSTILE}]\nENGINE = fake\nLABELS = labels.txt\n[default]\nUSE = {HOSTILE}\n"
        "['; alert(1)]\nENGINE = fake\nLABELS = labels.txt\n[broken]\nGRAPH = nowhere\n"
    )
    server = Live(tmp_path, SCAI_ICCONFIG=str(config), SCAI_OD_WORKERS="0")
    yield server.wait_ready()
    server.stop()


def test_hostile_names_and_labels_are_text(chromium: Any, hostile: Live) -> None:
    context = chromium.new_context()
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("dialog", lambda dialog: messages.append(dialog.message))
    page.goto(f"{hostile.url}/models")
    expect(page.locator(".compare-form")).to_be_visible()
    expect(page.locator(".model h3").first).to_have_text(HOSTILE)
    expect(page.locator("#broken")).to_contain_text("This model cannot be used.")
    photo(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".agreement")).to_be_visible(timeout=VERDICT_MS)
    expect(page.locator(".side > header h3")).to_have_text([HOSTILE, "'; alert(1)"])
    assert page.locator("img[src=x]").count() == 0
    assert messages == []
    context.close()
