"""How the browser's files are served: those of gan/web alone, for good, at a path that changes with them."""

from __future__ import annotations

import contextlib
import http.client
import re
from urllib.parse import urlsplit

import pytest
from serving import Site, make_models, serve

from gan.ui import web


@pytest.fixture(scope="module")
def site(tmp_path_factory, tiny_config, pictures, tiny_run):
    with serve(make_models(tmp_path_factory.mktemp("site"), tiny_config, pictures, tiny_run)) as served:
        yield served


def ask(site: Site, path: str, method: str = "GET", headers: dict | None = None) -> tuple[int, dict, bytes]:
    """Status, headers and content; the path goes as it is, also what no browser would send."""
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    with contextlib.closing(connection):
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_each_file_is_served_as_it_is_and_may_be_kept_for_good(site):
    names = [path.relative_to(web.WEB).as_posix() for path in web.WEB.rglob("*") if path.is_file()]
    assert "shared/asking.js" in names and "page.css" in names
    for name in names:
        status, headers, content = ask(site, f"/web/{web.DIGEST}/{name}")
        assert (status, content) == (200, (web.WEB / name).read_bytes()), name
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
    _, headers, _ = ask(site, f"/web/{web.DIGEST}/shared/asking.js")
    assert headers["content-type"].startswith("text/javascript")  # else no browser takes it for a module


def test_a_browser_that_has_a_file_is_told_so_and_one_that_unpacks_gets_it_packed(site):
    path = f"/web/{web.DIGEST}/page.css"
    status, headers, content = ask(site, path, "HEAD")
    assert (status, content) == (200, b"")
    assert ask(site, path, headers={"If-None-Match": headers["etag"]})[::2] == (304, b"")
    packed = ask(site, path, headers={"Accept-Encoding": "br"})
    assert packed[1]["content-encoding"] == "br" and len(packed[2]) < len((web.WEB / "page.css").read_bytes()) / 2


@pytest.mark.parametrize(
    "path",
    [
        "/web/0123456789abcdef/page.css",
        "/web/{digest}/",
        "/web/{digest}/nothing",
        "/web/{digest}/../../app.py",
        "/web/{digest}/../ui/web.py",
        "/web/{digest}/..%2fui%2fweb.py",
        "/web/{digest}/%2e%2e/ui/web.py",
        "/web/{digest}//etc/passwd",
        "/web/",
    ],
)
def test_nothing_else_is_served(site, path):
    status, headers, content = ask(site, path.format(digest=web.DIGEST))
    assert status == 404 and len(content) < 100
    assert "immutable" not in headers.get("cache-control", "")


def test_a_module_that_is_not_there_is_noticed_when_the_page_is_built():
    with pytest.raises(FileNotFoundError, match=r"web/explore/nothing is not there"):
        web.module("explore/nothing")


def test_the_head_brings_what_must_come_first_and_all_modules():
    head = web.head()
    assert "<script>" in head and "window.fetch =" in head  # in the page itself: else it would come too late
    assert f'<link rel="stylesheet" href="web/{web.DIGEST}/{web.LOOK}">' in head
    assert head.count("</script>") == 1
    assert web.CLASSIC not in head and not re.search(r"^(import|export)\b", web.text(web.CLASSIC), re.M)
    linked = re.findall(rf'<link rel="(modulepreload|later)" href="web/{web.DIGEST}/([^"]+)">', head)
    modules = {path.relative_to(web.WEB).as_posix() for path in web.WEB.rglob("*.js")}
    assert {name for _, name in linked} == {
        name for name in modules - {web.CLASSIC} if not name.startswith(("site/", "still/"))
    }
    when = {name: rel for rel, name in linked}  # the other tabs' come after the first face
    assert (when["explore/stage.js"], when["morph/morph.js"]) == ("modulepreload", "later")
