"""The page as text: its policy, its modules, and names from strangers."""

import base64
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import flowcli.viewer.bundle as bundling
from flowcli.errors import InputError
from flowcli.flow import FlowField
from flowcli.viewer import About, Clip, ViewedPair, write_page
from flowcli.viewer.bundle import bundle, read_part

HOSTILE = "</script><script>alert(1)</script><!-- {{script}} \udc80 \u2028" + "x" * 10_000


def make_text(tmp_path: Path, name: str = "name") -> str:
    clip = Clip()
    clip.add(ViewedPair(name, (FlowField(np.zeros((2, 3, 2), np.float32)),)))
    write_page(tmp_path / "page.html", clip, About(name, [name], {name: name}))
    return (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["name", HOSTILE])
def test_only_the_style_and_the_script_may_run(tmp_path, name):
    text = make_text(tmp_path, name)
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[0].replace("&#x27;", "'")
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    for kind, directive in (("style", "style-src"), ('script type="module"', "script-src")):
        found = re.findall(f"<{kind}>(.*?)</{kind.split()[0]}>", text, re.DOTALL)
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert directives[directive] == f"'sha256-{digest}'"
    assert directives["default-src"] == "'none'"
    assert directives["img-src"] == "data: blob:"
    assert not re.search(r"https?://", text)


def test_hostile_names_open_no_element(tmp_path):
    tags = re.findall(r"<[/!a-z][^>]{0,60}", make_text(tmp_path))
    hostile = re.findall(r"<[/!a-z][^>]{0,60}", make_text(tmp_path, HOSTILE))
    strip = [tag for tag in hostile if "Content-Security" not in tag]
    assert strip == [tag for tag in tags if "Content-Security" not in tag]


def test_the_bundle_runs_every_module_once_and_before_its_users():
    names = re.findall(r"^// (\S+\.js)$", bundle(), re.MULTILINE)
    page = Path(bundling.__file__).parent / "page"
    assert sorted(names) == sorted(path.name for path in page.glob("*.js"))
    for place, name in enumerate(names):
        used = set(re.findall(r'from "\./([\w.]+)"', read_part(name)))
        assert used <= set(names[:place])
    assert not re.search(r"^\s*(import|export)\b", bundle(), re.MULTILINE)


@pytest.mark.parametrize(
    "text", ['import x from "./data.js";\n', "export default 3;\n", 'import { a } from "https://x";\n']
)
def test_other_imports_and_exports_are_refused(monkeypatch, text):
    monkeypatch.setattr(bundling, "read_part", lambda name: text)
    with pytest.raises(ValueError, match=r"main\.js: expected"):
        bundle.__wrapped__()


def test_a_page_without_pairs_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one pair"):
        write_page(tmp_path / "page.html", Clip(), About("t", ["flow"]))
    assert list(tmp_path.iterdir()) == []
