"""The API page: examples that run as they stand, and forms that try them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect
from support.live import digit

pytestmark = [pytest.mark.slow, pytest.mark.browser]

POST = "#post-objectdetection"
RESULT = "#get-objectdetection-odres"
HOSTILE = 'it\'s "quoted"; $(touch pwned) `x`, & más 照片.png'
UPLOAD = {"name": "photo.png", "mimeType": "image/png", "buffer": digit()}


@pytest.fixture
def docs(open_page: Callable[..., Any]) -> Any:
    page = open_page("/docs", viewport={"width": 1400, "height": 900})
    expect(page.locator("html[data-ready]")).to_have_count(1)
    return page


def tried(page: Any, operation: str) -> Any:
    """The form of an operation, opened."""
    article = page.locator(operation)
    if not article.locator(".try").evaluate("(details) => details.open"):
        article.locator(".try > summary").click()
    return article


def upload(page: Any, **file: Any) -> dict[str, Any]:
    """Send a picture of a digit by the form; the answer shown."""
    article = tried(page, POST)
    article.locator("input[name=photo]").set_input_files({**UPLOAD, **file})
    article.get_by_role("button", name="Send").click()
    expect(article.locator(".said")).to_have_text(re.compile("Answered 200"))
    return dict(json.loads(article.locator(".came pre").inner_text()))


def snippet(article: Any, language: str) -> str:
    return str(article.locator(f"pre[data-code={language}]").evaluate("(pre) => pre.textContent"))


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60
    )


def python(program: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(program)
    command = [sys.executable, "program.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90)


def test_scripts_write_the_same_examples_as_the_server(
    open_page: Callable[..., Any], docs: Any
) -> None:
    plain = open_page("/docs", java_script_enabled=False)
    for page in (docs, plain):
        assert page.locator("pre[data-code]").count() > 40
    read = "(all) => all.map((pre) => pre.textContent)"
    codes = docs.locator("pre[data-code]").evaluate_all(read)
    assert codes == plain.locator("pre[data-code]").all_text_contents()


def test_a_photo_is_tried_from_upload_to_picture_and_deleted(docs: Any) -> None:
    answer = upload(docs)
    assert answer["status"] == "success"
    result = tried(docs, RESULT)
    expect(result.locator("input[name=task]")).to_have_value(answer["sessname"])
    expect(result.locator("input[name=key]")).to_have_value(answer["sesskey"])
    assert answer["sesskey"] in snippet(result, "curl")
    result.locator("input[name=wait]").fill("60")
    result.get_by_role("button", name="Send").click()
    expect(result.locator(".came pre")).to_contain_text('"state": "complete"')
    expect(result.locator(".headers")).to_contain_text("no-store")

    docs.reload()
    result = tried(docs, RESULT)
    expect(result.locator("input[name=task]")).to_have_value(answer["sessname"])
    drawn = tried(docs, "#get-objectdetection-odres-odresimg")
    drawn.get_by_role("button", name="Send").click()
    expect(drawn.locator(".came img")).to_have_js_property("naturalWidth", 200)
    expect(drawn.locator(".came img")).to_be_visible()

    gone = tried(docs, "#delete-objectdetection-odres")
    gone.get_by_role("button", name="Send").click()
    expect(gone.locator(".came pre")).to_contain_text('"success"')


def test_a_batch_is_made_and_its_table_fetched(docs: Any) -> None:
    article = tried(docs, "#post-batches")
    article.locator("input[name=photo]").set_input_files([UPLOAD, {**UPLOAD, "name": "=1+1.png"}])
    article.get_by_role("button", name="Send").click()
    expect(article.locator(".came pre")).to_contain_text('"taken"')
    table = tried(docs, "#get-batches-id-csv")
    expect(table.locator("input[name=id]")).to_have_value(re.compile("^b-"))
    table.get_by_role("button", name="Send").click()
    expect(table.locator(".came pre")).to_contain_text("name,state,model")


def test_an_event_stream_is_shown_line_by_line(docs: Any) -> None:
    upload(docs)
    events = tried(docs, "#get-events")
    events.get_by_role("button", name="Send").click()
    expect(events.locator(".came pre")).to_contain_text("event: result")
    expect(events.locator(".came pre")).to_contain_text("event: end")
    expect(events.get_by_role("button", name="Stop")).to_be_hidden()


def test_curl_runs_as_it_is_shown_even_for_a_hostile_file_name(docs: Any, tmp_path: Path) -> None:
    answer = upload(docs, name=HOSTILE)
    (tmp_path / HOSTILE).write_bytes(digit())
    docs.locator(f"{POST} input[name=threshold]").fill("0.25")
    done = shell(snippet(docs.locator(POST), "curl"), tmp_path)
    sent = json.loads(done.stdout)
    assert sent["status"] == "success", done.stderr
    assert sent["filename"] == answer["filename"]
    assert not (tmp_path / "pwned").exists()

    put = tried(docs, "#put-imageclassification")
    put.locator("input[name=body]").set_input_files({**UPLOAD, "name": HOSTILE})
    put.locator("input[name=filename]").fill("a b's.png")
    sent = json.loads(shell(snippet(put, "curl"), tmp_path).stdout)
    assert (sent["status"], sent["filename"]) == ("success", "a b's.png")

    result = json.loads(shell(snippet(docs.locator(RESULT), "curl"), tmp_path).stdout)
    assert result["filename"] == answer["filename"]
    shell(snippet(docs.locator("#get-objectdetection-odres-odiptimg"), "curl"), tmp_path)
    assert (tmp_path / "photo.jpg").read_bytes() == digit()


def test_python_runs_as_it_is_shown_even_for_a_hostile_file_name(docs: Any, tmp_path: Path) -> None:
    article = tried(docs, POST)
    names = [HOSTILE, "second\\.png"]
    for name in names:
        (tmp_path / name).write_bytes(digit())
    article.locator("input[name=photo]").set_input_files(
        [{**UPLOAD, "name": name} for name in names]
    )
    article.locator("input[name=top_k]").fill("3")
    done = python(snippet(article, "python"), tmp_path)
    status, _, body = done.stdout.partition(" ")
    assert status == "200", done.stderr
    assert [each["status"] for each in json.loads(body)] == ["success", "success"]
    assert not (tmp_path / "pwned").exists()


def test_the_first_program_finds_a_digit(docs: Any, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(digit("3"))
    program = docs.locator("#first-whole").inner_text()
    done = python(program, tmp_path, "photo.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 0.")


def test_errors_are_shown_with_their_status(docs: Any, watch: Any) -> None:
    watch.allow += ["404", "415"]
    result = tried(docs, RESULT)
    result.get_by_role("button", name="Send").click()
    expect(result.locator(".said")).to_have_text("Fill in task first.")
    expect(result.locator("input[name=task]")).to_be_focused()
    result.locator("input[name=task]").fill("<b>nobody</b>")
    result.locator("input[name=key]").fill("x")
    result.get_by_role("button", name="Send").click()
    expect(result.locator(".said")).to_have_text(re.compile("Answered 404"))
    expect(result.locator(".came pre")).to_contain_text('"code": "not_found"')
    article = tried(docs, POST)
    article.locator("input[name=photo]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}
    )
    article.get_by_role("button", name="Send").click()
    expect(article.locator(".said")).to_have_text(re.compile("Answered 415"))


def test_a_server_that_is_not_there_is_said_in_words(docs: Any, watch: Any) -> None:
    watch.allow += ["ERR_INTERNET_DISCONNECTED"]
    docs.context.set_offline(True)
    version = tried(docs, "#get-version")
    version.get_by_role("button", name="Send").click()
    expect(version.locator(".said")).to_have_text(re.compile("could not be reached"))
    docs.context.set_offline(False)
    version.get_by_role("button", name="Send").click()
    expect(version.locator(".came pre")).to_contain_text("durability")


def test_what_was_sent_on_the_home_page_is_filled_in(
    open_page: Callable[..., Any], live: Any
) -> None:
    sent = requests.post(
        f"{live.url}/objectdetection", files={"photo": ("a.png", digit())}, timeout=30
    ).json()
    page = open_page("/docs")
    page.evaluate(
        """async (sent) => {
          const script = document.querySelector("script[src*='docs.js']").src;
          const { add } = await import(script.replace("pages/docs.js", "shared/store.js"));
          const { sessname: task, sesskey: key } = sent;
          await add({ kind: "object_detection", task, key, name: "a.png", time: Date.now() });
        }""",
        sent,
    )
    page.reload()
    expect(page.locator(f"{RESULT} input[name=task]")).to_have_value(sent["sessname"])
    expect(page.locator("#get-imageclassification-imgclassres input[name=task]")).to_have_value("")


def test_a_deep_link_opens_its_form(open_page: Callable[..., Any]) -> None:
    page = open_page(f"/docs{RESULT}", viewport={"width": 1400, "height": 900})
    expect(page.locator(f"{RESULT} form")).to_be_visible()
    expect(page.locator(f"{RESULT} h3")).to_be_in_viewport()
    expect(page.locator(f'.side a[href="{RESULT}"]')).to_have_attribute("aria-current", "location")


def test_the_keyboard_alone_tries_an_operation(docs: Any) -> None:
    docs.locator('.side a[href="#get-version"]').focus()
    docs.keyboard.press("Enter")
    expect(docs.locator("#get-version form")).to_be_visible()
    docs.locator("#get-version .hash").focus()
    for _ in range(12):
        docs.keyboard.press("Tab")
        if docs.evaluate("() => document.activeElement.textContent.trim()") == "Send":
            break
    docs.keyboard.press("Enter")
    expect(docs.locator("#get-version .came pre")).to_contain_text("durability")


def test_one_choice_of_language_is_kept_for_all_examples(docs: Any) -> None:
    box = docs.locator(f"{POST} .code")
    expect(box.locator("pre[data-code=curl]")).to_be_visible()
    box.get_by_role("button", name="Python").click()
    expect(box.locator("pre[data-code=curl]")).to_be_hidden()
    docs.reload()
    expect(docs.locator(f"{RESULT} pre[data-code=python]")).to_be_visible()
    expect(docs.locator(f"{RESULT} pre[data-code=curl]")).to_be_hidden()


def test_an_example_is_copied(open_page: Callable[..., Any]) -> None:
    page = open_page("/docs", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#get-version .copy").click()
    expect(page.locator("#get-version .copy")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()").endswith("/version")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_axe_finds_nothing_serious_with_everything_open(
    open_page: Callable[..., Any], accessible: Callable[[Any], None], width: int, scheme: str
) -> None:
    page = open_page("/docs", viewport={"width": width, "height": 800}, color_scheme=scheme)
    upload(page)
    page.evaluate(
        "() => document.querySelectorAll('details').forEach((each) => { each.open = true; })"
    )
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    accessible(page)


def test_in_chinese_every_word_of_the_page_is(open_page: Callable[..., Any]) -> None:
    page = open_page("/docs", locale="zh-TW")
    expect(page.locator("h1")).to_have_text("給程式用的 SCAI")
    expect(page.locator(f"{POST} h3")).to_contain_text("找出照片裡的物件")
    version = tried(page, "#get-version")
    version.get_by_role("button", name="送出").click()
    expect(version.locator(".said")).to_have_text(re.compile(r"毫秒後回應 200"))


def test_without_scripts_everything_can_be_read(open_page: Callable[..., Any]) -> None:
    page = open_page("/docs", java_script_enabled=False)
    article = page.locator(POST)
    expect(article.locator("pre[data-code=curl]")).to_be_visible()
    expect(article.locator("pre[data-code=python]")).to_be_visible()
    expect(article.locator(".try")).to_be_hidden()
    expect(article.locator(".copy")).to_be_hidden()
    article.locator(".answer > summary").first.click()
    expect(article.locator(".answer pre").first).to_be_visible()
