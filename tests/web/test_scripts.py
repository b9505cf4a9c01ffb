"""Which modules a page's script needs, and which room may import from which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.inprocess import Site

from scai import kinds
from scai.settings import ROOT
from scai.web import scripts

STATIC = ROOT / "static"
ENTRIES = sorted(f"js/pages/{file.name}" for file in (STATIC / "js" / "pages").glob("*.js"))
MODULES = {file.relative_to(STATIC).as_posix() for file in (STATIC / "js").rglob("*.js")}
# An import on demand, which no page waits for.
_LAZY = re.compile(r'\bimport\("(\.[^"]+)"\)')


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        file = folder / f"{name.replace('__', '/')}.js"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def test_every_form_of_import_counts_and_one_on_demand_does_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        page='import { a,\n  b } from "./a.js";\nimport * as c from "./parts/c.js";\n'
        'import "./d.js";\nconst text = `import "./none.js"`;\n'
        'const later = () => import("./later.js");\n',
        a='export { e } from "./e.js";\nexport const from = "./none.js";\n',
        parts__c='import { a } from "../a.js";\n',
        d='import "./page.js";\n',
        e='export * from "./a.js";\n',
    )
    assert scripts.modules_of(tmp_path, "page.js") == (
        "page.js",
        "a.js",
        "parts/c.js",
        "d.js",
        "e.js",
    )


@pytest.mark.parametrize("path", ["/", "/batch", "/history", "/models", "/status", "/docs"])
def test_a_page_preloads_what_its_script_imports_and_nothing_else(site: Site, path: str) -> None:
    html = site.http.get(path).text
    (entry,) = re.findall(r'<script type="module" src="/static/(v-\w+)/(js/[^"]+)"', html)
    mark, name = entry
    preloads = re.findall(r'<link rel="modulepreload" href="/static/(v-\w+)/([^"]+)"', html)
    assert {each for each, _ in preloads} == {mark}
    names = [module for _, module in preloads]
    assert len(names) == len(set(names))
    assert set(names) == {
        name,
        *(other for module in names for other in scripts.imports_of(STATIC, module)),
    }


def test_the_large_parts_of_the_home_page_are_loaded_on_demand() -> None:
    first = scripts.modules_of(STATIC, "js/pages/home.js")
    late = {f"js/pages/home/{name}.js" for name in ("workspace", "upload", "camera", "pad")}
    assert late | {"js/viewer/viewer.js"} <= MODULES
    assert not (late | {"js/viewer/viewer.js"}) & set(first)


def test_every_module_is_there_and_used() -> None:
    reached, todo = set(ENTRIES), list(ENTRIES)
    while todo:
        name = todo.pop()
        folder = (STATIC / name).parent
        lazy = _LAZY.findall((STATIC / name).read_text())
        others = scripts.imports_of(STATIC, name)
        others += [(folder / path).resolve().relative_to(STATIC).as_posix() for path in lazy]
        todo += [other for other in others if other not in reached]
        reached.update(others)
    assert reached == MODULES


def test_imports_go_from_pages_to_the_viewer_to_what_all_share() -> None:
    wrong = []
    for name in sorted(MODULES):
        parts = name.split("/")
        allowed = ["js/shared/"]
        if parts[1] != "shared":
            allowed.append("js/viewer/")
        if parts[1] == "pages":
            # A page's own parts lie in the folder of its name.
            allowed.append(f"js/pages/{parts[2].removesuffix('.js')}/")
        lazy = _LAZY.findall((STATIC / name).read_text())
        folder = (STATIC / name).parent
        others = scripts.imports_of(STATIC, name)
        others += [(folder / path).resolve().relative_to(STATIC).as_posix() for path in lazy]
        wrong += [f"{name} -> {other}" for other in others if not other.startswith(tuple(allowed))]
    assert wrong == []


def test_no_script_and_no_template_spells_out_a_kind_or_its_addresses() -> None:
    words = set()
    for kind in kinds.load().values():
        words |= {kind.name, *filter(None, (kind.upload, kind.result, kind.input, kind.output))}
    files = [*(STATIC / "js").rglob("*.js"), *(ROOT / "templates").rglob("*.html")]
    texts = {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}
    assert [(name, word) for name, text in texts.items() for word in words if word in text] == []
