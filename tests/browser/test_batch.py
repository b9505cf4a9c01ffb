"""The page of batches in a browser: hand in a folder, photos or a ZIP, and look at what came of it.

Every test also promises no console error, no policy violation and no request to another host.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser import batching
from support.browser.batching import choose, column, expect_done, folder_of, rows, start, zip_of
from support.live import digit

pytestmark = [pytest.mark.slow, pytest.mark.browser]

Open = Callable[..., Any]


page = batching.page


def png(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": digit(text)}


def test_a_folder_is_listed_then_sent_and_the_table_fills(page: Any, tmp_path: Path) -> None:
    choose(page, "folder", folder_of(tmp_path, "3", "7", "0"))
    expect(page.locator(".chosen-sum")).to_contain_text("3 photos")
    expect(page.locator(".chosen-left")).to_have_text(
        "1 file skipped: digits/more/notes.txt (not a picture)"
    )
    page.get_by_text("Show the list").click()
    expect(page.locator(".names li")).to_have_count(4)
    start(page)
    expect_done(page)
    expect(page.locator("#batch-title")).to_have_text("digits")
    assert column(page, 2) == ["digits/digit 0.png", "digits/digit 1.png", "digits/digit 2.png"]
    assert column(page, 3) == ["done"] * 3
    assert column(page, 4) == ["3", "7", "0"]
    assert all(score.endswith("%") for score in column(page, 5))
    expect(page.locator("#done .bar-number")).to_have_text("3 of 3")
    thumb = page.locator("#table .thumb").first
    expect(thumb).to_have_js_property("naturalWidth", 160)


def test_the_drawings_say_what_the_table_says(page: Any) -> None:
    choose(page, "photos", [png(f"{n}.png", "3") for n in range(3)] + [png("x.png", "7")])
    start(page)
    expect_done(page)
    labels = page.get_by_role("img", name="Photos per label")
    expect(labels).to_be_visible()
    expect(labels.locator("desc")).to_have_text("3: 3; 7: 1")
    expect(labels.locator("rect.plot-bar")).to_have_count(2)
    figure = page.locator(".plot", has=labels)
    figure.get_by_text("Show as table").click()
    expect(figure.locator("tbody").locator("th, td")).to_have_text(["3", "3", "7", "1"])
    scores = page.get_by_role("img", name="Score of the best label")
    told = scores.locator("desc").text_content().split("; ")
    assert sum(int(each.rpartition(" ")[2]) for each in told) == 4


def test_a_zip_with_a_bad_file_shows_it_as_a_row(page: Any) -> None:
    data = zip_of(
        ("in/three.png", digit("3")), ("in/words.png", b"no picture"), ("../up.png", digit("1"))
    )
    choose(page, "archive", {"name": "all.zip", "mimeType": "application/zip", "buffer": data})
    expect(page.locator(".chosen-sum")).to_contain_text("all.zip")
    start(page)
    expect_done(page, "Done. 2 files have no result; the table says why")
    assert sorted(column(page, 3)) == ["done", "rejected", "rejected"]
    row = rows(page).filter(has_text="up.png")
    expect(row).to_contain_text("its name leads out of the ZIP")
    expect(row.locator("button")).to_have_count(0)  # there is nothing to open


def test_a_bad_zip_is_an_error_in_words(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 400")
    choose(page, "archive", {"name": "a.zip", "mimeType": "application/zip", "buffer": b"words"})
    start(page)
    expect(page.locator("#batch-problem")).to_contain_text("not a ZIP file")


def drop(page: Any, *files: tuple[str, str]) -> None:
    page.evaluate(
        """(files) => {
          const transfer = new DataTransfer();
          for (const [name, text] of files) {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type: "image/png" }));
          }
          const drop = document.getElementById("drop");
          drop.dispatchEvent(new DragEvent("dragenter", { dataTransfer: transfer, bubbles: true }));
          if (!drop.classList.contains("dropping")) throw new Error("not seen");
          const event = { dataTransfer: transfer, bubbles: true, cancelable: true };
          drop.dispatchEvent(new DragEvent("drop", event));
        }""",
        list(files),
    )


def test_dropped_photos_are_taken(page: Any) -> None:
    drop(page, ("dropped.png", base64.b64encode(digit("3")).decode()))
    expect(page.locator(".chosen-sum")).to_contain_text("1 photo")
    expect(page.locator("#drop")).not_to_have_class("drop dropping")
    start(page)
    expect_done(page)
    assert column(page, 2) == ["dropped.png"]


def test_a_dropped_folder_is_walked_to_its_end(page: Any) -> None:
    """The browser gives a folder's content in parts; here by an object of the same shape."""
    names = page.evaluate(
        """async () => {
          const url = document.querySelector('link[href$="batch/files.js"]').href;
          const { fromDrop } = await import(url);
          const file = (path) => ({ isFile: true, fullPath: path,
            file: (done) => done(new File(["x"], path.split("/").pop())) });
          const folder = (path, parts) => ({ isFile: false, fullPath: path, createReader: () => {
            const left = [...parts, []];
            return { readEntries: (done) => done(left.shift()) };
          } });
          const tree = folder("/a", [[file("/a/1.png")], [folder("/a/b", [[file("/a/b/2.png")]])]]);
          const items = [{ kind: "string" }, { kind: "file", webkitGetAsEntry: () => tree }];
          return (await fromDrop({ items })).map(({ name }) => name);
        }"""
    )
    assert names == ["a/1.png", "a/b/2.png"]


def test_a_row_opens_the_whole_result_and_steps_to_the_next(page: Any) -> None:
    choose(page, "photos", [png("a.png", "3"), png("b.png", "7")])
    start(page)
    expect_done(page)
    page.get_by_role("button", name="a.png").click()
    dialog = page.locator("#opened")
    expect(dialog).to_be_visible()
    expect(dialog.locator(".view")).to_contain_text("3")
    expect(dialog.get_by_role("button", name="Previous")).to_be_disabled()
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.locator("h2").first).to_have_text("b.png")
    expect(dialog.locator(".view")).to_contain_text("7")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_detections_are_counted_by_object(page: Any) -> None:
    page.get_by_text("Where is it?").click()
    choose(page, "photos", [png("a.png", "3")])
    start(page, "digit-detector")
    expect_done(page)
    assert "object" in column(page, 4)[0]
    expect(page.get_by_role("img", name="Objects per label")).to_be_visible()


def test_the_table_sorts_and_sieves(page: Any) -> None:
    choose(page, "photos", [png("b.png", "7"), png("a.png", "3"), png("c.png", "3")])
    start(page)
    expect_done(page)
    heading = page.get_by_role("button", name="Name", exact=True)
    heading.click()
    assert column(page, 2) == ["a.png", "b.png", "c.png"]
    heading.click()
    assert column(page, 2) == ["c.png", "b.png", "a.png"]
    expect(page.locator("th[data-column=name]")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Score").click()
    scores = [float(score.rstrip("%")) for score in column(page, 5)]
    assert scores == sorted(scores, reverse=True)
    page.locator("#by-label").select_option(label="3")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("searchbox", name="Name").fill("A.P")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("searchbox", name="Name").fill("nothing")
    expect(page.locator("#pager [role=status]")).to_contain_text("No photo matches")


def test_the_table_can_be_saved(page: Any) -> None:
    choose(page, "photos", [png("=sum.png", "3")])
    start(page)
    expect_done(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    found = list(csv.DictReader(io.StringIO(text)))
    assert download.value.suggested_filename.endswith(".csv")
    assert (found[0]["name"], found[0]["label"], found[0]["rank"]) == ("'=sum.png", "3", "1")


def test_names_are_never_markup(page: Any) -> None:
    hostile = "<img src=x onerror=alert(1)>.png"
    choose(page, "photos", [png(hostile, "3")])
    expect(page.locator(".names li .label")).to_have_text(hostile)
    start(page)
    expect_done(page)
    assert column(page, 2) == [hostile]
    page.locator(".opener").click()
    expect(page.locator("#opened-name")).to_have_text(hostile)
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_nothing_chosen_and_nothing_of_use_are_said(page: Any) -> None:
    start(page)
    expect(page.locator("#intake-problem")).to_contain_text("Nothing selected yet")
    choose(page, "photos", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"words"})
    expect(page.locator(".chosen-sum")).to_have_text("None of these files can be sent.")
    page.get_by_role("button", name="Choose something else").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_a_thousand_photos_make_a_light_page(open_page: Open, page: Any) -> None:
    choose(page, "photos", [png("a.png", "3")])
    start(page)
    expect_done(page)
    address = page.url

    def many(route: Any) -> None:
        told = route.fetch().json()
        [item] = told["items"]
        told["items"] = [{**item, "n": n, "name": f"photo {n}.png"} for n in range(1, 1001)]
        told["counts"] = {**told["counts"], "all": 1000, "complete": 1000}
        route.fulfill(json=told)

    page.route("**/batches/b-*?*", many)
    page.goto(address)
    expect_done(page)
    expect(page.locator("#pager [role=status]")).to_have_text("1 to 50 of 1,000")
    expect(rows(page)).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#pager [role=status]")).to_have_text("51 to 100 of 1,000")
    page.get_by_role("searchbox", name="Name").fill("photo 1000")
    assert column(page, 2) == ["photo 1000.png"]


# Each look at the size of a file takes a while, as it does for files of a real disk.
SLOW_SIZES = """() => {
  window.looks = window.turns = 0;
  const { get } = Object.getOwnPropertyDescriptor(Blob.prototype, "size");
  Object.defineProperty(Blob.prototype, "size", { configurable: true, get() {
    window.looks += 1;
    for (const start = performance.now(); performance.now() - start < 4; );
    return get.call(this);
  } });
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { window.turns += 1; port2.postMessage(0); };
  port2.postMessage(0);
}"""


def test_many_files_are_looked_at_in_slices_and_may_be_started_meanwhile(page: Any) -> None:
    page.evaluate(SLOW_SIZES)
    told = page.evaluate(
        """async (bytes) => {
          const transfer = new DataTransfer();
          for (let n = 0; n < 40; n++) {
            const [name, type] = [`${n}.png`, { type: "image/png" }];
            transfer.items.add(new File([new Uint8Array(bytes)], name, type));
          }
          const input = document.getElementById("photos");
          input.files = transfer.files;
          window.turns = 0;
          input.dispatchEvent(new Event("change"));
          document.getElementById("go").click();
          document.getElementById("go").click();
          // In the turn in which it is shown: later small pictures look at sizes, too.
          const chosen = document.getElementById("chosen");
          await new Promise((go) => new MutationObserver(go).observe(chosen, { attributes: true }));
          return { turns: window.turns, looks: window.looks };
        }""",
        list(digit("3")),
    )
    assert told["turns"] > 3
    assert told["looks"] == 40
    expect_done(page)
    expect(rows(page)).to_have_count(40)
    assert page.evaluate("() => JSON.parse(localStorage.getItem('scai.batches')).length") == 1
