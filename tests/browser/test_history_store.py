"""The list that the browser keeps (static/js/shared/store.js), in a real browser's database."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from support.browser.seeding import STORE, add, stored_entries

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def entry(number: int) -> dict[str, Any]:
    task = f"d-20261121-{number:040x}"
    made = {"kind": "image_classification", "task": task, "key": "0" * 40}
    return made | {"name": f"{number}.jpg", "time": number}


def test_what_is_added_is_there_after_a_reload_newest_first(page: Any) -> None:
    add(page, entry(1), entry(3), entry(2))
    page.reload()
    found = stored_entries(page)
    assert [each["name"] for each in found] == ["3.jpg", "2.jpg", "1.jpg"]
    assert found[0] == entry(3) | {
        "thumb": None,
        "state": "initialization",
        "model": "",
        "labels": [],
        "error": "",
        "gone": False,
    }


def test_an_entry_outlives_a_page_that_is_left_at_once(page: Any) -> None:
    with page.expect_navigation():
        # Nothing is awaited: the answer of a page that is gone never comes.
        page.evaluate(
            f"""(entries) => {{
              {STORE}.then(({{ add }}) => {{
                for (const entry of entries) add(entry);
                location.reload();
              }});
            }}""",
            [entry(1), entry(2), entry(3)],
        )
    assert [each["name"] for each in stored_entries(page)] == ["3.jpg", "2.jpg", "1.jpg"]
    assert page.evaluate("() => localStorage.length") == 0


def test_an_entry_changes_and_goes(page: Any) -> None:
    add(page, entry(1), entry(2))
    page.evaluate(
        f"""async ([one, two, never]) => {{
          const store = await {STORE};
          const labels = [{{label: "7", score: 1, count: 1}}];
          await store.update(one, {{state: "complete", labels}});
          await store.update(never, {{state: "complete"}});
          await store.remove(two);
        }}""",
        [entry(1)["task"], entry(2)["task"], entry(9)["task"]],
    )
    [left] = stored_entries(page)
    assert (left["name"], left["state"], left["labels"][0]["label"]) == ("1.jpg", "complete", "7")
    # Whoever adds it once more knows less of it.
    add(page, entry(1))
    assert stored_entries(page)[0]["state"] == "complete"
    page.evaluate(f"async () => (await {STORE}).clear()")
    assert stored_entries(page) == []


def test_a_verdict_may_come_before_the_small_picture_is_read(page: Any) -> None:
    page.evaluate(
        f"""async (entry) => {{
          const {{ add, update }} = await {STORE};
          add({{ ...entry, thumb: new Blob(["x".repeat(60000)]) }});
          await update(entry.task, {{ state: "complete" }});
        }}""",
        entry(1),
    )
    assert [each["state"] for each in stored_entries(page)] == ["complete"]


def test_two_tabs_at_once_lose_nothing(page: Any) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    adding = f"""(entries) => {{ window.added = {STORE}.then(({{ add, update }}) =>
        Promise.all(entries.map(async (entry) => {{
          await add(entry);
          await update(entry.task, {{ model: "m" }});
        }}))); }}"""
    page.evaluate(adding, [entry(n) for n in range(60)])
    other.evaluate(adding, [entry(n) for n in range(30, 90)])
    for tab in (page, other):
        tab.evaluate("() => window.added.then(() => true)")
    found = stored_entries(page)
    assert [each["time"] for each in found] == list(range(89, -1, -1))
    assert {each["model"] for each in found} == {"m"}


def test_other_tabs_hear_of_each_change(page: Any) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    other.evaluate(
        f"""async () => {{
          window.heard = [];
          (await {STORE}).onChange((change) => window.heard.push(change));
        }}"""
    )
    add(page, entry(1))
    page.evaluate(f"async (task) => (await {STORE}).remove(task)", entry(1)["task"])
    other.wait_for_function("() => window.heard.length === 2")
    task = entry(1)["task"]
    expected = [{"what": "add", "task": task}, {"what": "remove", "task": task}]
    assert other.evaluate("() => window.heard") == expected


def test_the_oldest_make_room(page: Any) -> None:
    add(page, entry(0))
    page.evaluate(
        """(entry) => new Promise((resolve) => {
          indexedDB.open("scai", 1).onsuccess = ({ target: { result } }) => {
            const transaction = result.transaction("photos", "readwrite");
            for (let n = 1; n < 2000; n += 1)
              transaction.objectStore("photos").put({ ...entry, task: `t${n}`, time: n });
            transaction.oncomplete = resolve;
          };
        })""",
        entry(0) | {"labels": [], "thumb": None},
    )
    assert len(stored_entries(page)) == 2000
    add(page, entry(5000))
    found = stored_entries(page)
    assert len(found) == 2000
    assert (found[0]["time"], found[-1]["time"]) == (5000, 1)


BROKEN = {
    "no database": """Object.defineProperty(window, "indexedDB", {
      get() { throw new Error("no"); } });""",
    "a database that does not open": """IDBFactory.prototype.open = () => {
      throw new Error("no"); };""",
    "a full disk": """IDBObjectStore.prototype.put = () => {
      throw new DOMException('full', 'QuotaExceededError'); };""",
    "no channel": "delete window.BroadcastChannel;",
}


@pytest.mark.parametrize("how", BROKEN)
def test_without_a_database_entries_last_as_long_as_the_page(
    open_page: Callable[..., Any], how: str
) -> None:
    page = open_page("/")
    page.context.add_init_script(BROKEN[how])
    page.reload()
    add(page, entry(1), entry(2))
    page.evaluate(
        f"async (task) => (await {STORE}).update(task, {{ state: 'complete' }})", entry(1)["task"]
    )
    page.evaluate(f"async (task) => (await {STORE}).remove(task)", entry(2)["task"])
    assert [(each["name"], each["state"]) for each in stored_entries(page)] == [
        ("1.jpg", "complete")
    ]
    got = page.evaluate(f"async (task) => (await {STORE}).get(task)", entry(1)["task"])
    assert got["name"] == "1.jpg"
    page.evaluate(f"async () => (await {STORE}).clear()")
    assert stored_entries(page) == []


THUMBS = f"""async () => {{
  const store = await {STORE};
  const sizes = async () => (await store.all()).map(({{ thumb }}) => thumb?.size ?? 0);
  return sizes();
}}"""


def test_on_a_full_disk_the_oldest_small_pictures_go_first(page: Any) -> None:
    adding = f"""async (entries) => {{ const {{ add }} = await {STORE};
      for (const entry of entries) await add({{ ...entry, thumb: new Blob(["picture"]) }}); }}"""
    page.evaluate(adding, [entry(n) for n in range(3)])
    assert page.evaluate(THUMBS) == [7, 7, 7]
    page.evaluate(
        """() => {
          const { put } = IDBObjectStore.prototype;
          IDBObjectStore.prototype.put = function (record) {
            if (record.thumb) throw new DOMException("full", "QuotaExceededError");
            return put.call(this, record);
          };
        }"""
    )
    page.evaluate(adding, [entry(3)])
    assert page.evaluate(THUMBS) == [0, 0, 0, 0]
    page.reload()
    assert [each["time"] for each in stored_entries(page)] == [3, 2, 1, 0]


def thumb(page: Any, data: bytes) -> Image.Image | None:
    text = page.evaluate(
        f"""async (data) => {{
          const {{ thumbOf }} = await {STORE};
          const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
          const made = await thumbOf(new Blob([bytes]));
          if (!made) return null;
          return btoa(String.fromCharCode(...new Uint8Array(await made.arrayBuffer())));
        }}""",
        base64.b64encode(data).decode(),
    )
    return None if text is None else Image.open(io.BytesIO(base64.b64decode(text)))


def test_a_small_picture_is_small_and_upright(page: Any) -> None:
    image = Image.new("RGB", (400, 200), "black")
    image.paste((255, 255, 255), (0, 0, 200, 200))  # the left half, which the camera had on top
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    made = thumb(page, out.getvalue())
    assert made is not None and made.size == (80, 160)
    assert min(made.convert("L").crop((10, 10, 70, 70)).tobytes()) > 200
    assert max(made.convert("L").crop((10, 90, 70, 150)).tobytes()) < 50


def test_what_is_no_picture_has_no_small_one_and_stops_no_other(page: Any) -> None:
    assert thumb(page, b"not a picture") is None
    out = io.BytesIO()
    Image.new("RGBA", (20, 10), (0, 0, 0, 0)).save(out, "PNG")
    made = thumb(page, out.getvalue())
    assert made is not None and made.size == (20, 10)
    assert min(made.convert("L").tobytes()) > 250
