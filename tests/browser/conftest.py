"""A served page and a real Chromium."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from serving import BROWSER_OPTIONS, BROWSERS, Site, chromium, make_models, serve

from gan.ui.web import WEB

HERE = Path(__file__).parent
PASSED = pytest.StashKey[bool]()
EMPTY_TABS = bool(os.environ.get("EMPTY_TABS"))  # for all tests: each begins as one that is tried again


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI a browser's tests have a second try: on a machine that others keep busy, one answer may come late."""
    if os.environ.get("CI"):
        for item in items:  # of all folders
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def site(tmp_path_factory, tiny_config, pictures, tiny_run) -> Iterator[Site]:
    """The page over two small models and a broken one."""
    library = make_models(tmp_path_factory.mktemp("site"), tiny_config, pictures, tiny_run)
    with serve(library) as served:
        yield served


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; skips without one, and fails where CI promises one."""
    path = chromium()
    if path is None:
        reason = f"no browser: expected one of {', '.join(BROWSERS)} on the path, or its path in CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        sync_api.expect.set_options(timeout=15_000)  # two tests at a time on two cores
        launched = playwright.chromium.launch(executable_path=path, args=BROWSER_OPTIONS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def context(browser):
    """A profile that may use the clipboard; shared, so that the page's scripts come out of its cache."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as fresh:
        fresh.grant_permissions(["clipboard-read", "clipboard-write"])
        yield fresh


@contextlib.contextmanager
def _opened(context) -> Iterator[tuple[object, list[str]]]:
    """A tab, and what its console says is wrong."""
    tab = context.new_page()
    problems = []
    tab.on("console", lambda message: message.type == "error" and problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.set_default_timeout(20_000)
    yield tab, problems
    tab.close()


@contextlib.contextmanager
def _lent(kept: tuple[object, list[str]], item: pytest.Item, stays: bool = False) -> Iterator[object]:
    """A tab for one test, afterwards as it was before; or on the page that the test has opened, if that went well."""
    tab, problems = kept
    size = tab.viewport_size
    yield tab
    tab.unroute_all()
    tab.set_viewport_size(size)
    tab.emulate_media(color_scheme="null", reduced_motion="null")
    found = list(problems)
    if found or not (stays and _may_stay(item)):
        _leave(kept)
    assert not found, found


def _may_stay(item: pytest.Item) -> bool:
    return item.stash.get(PASSED, False) and not EMPTY_TABS


def _leave(kept: tuple[object, list[str]]) -> None:
    tab, problems = kept
    tab.goto("about:blank")  # ends whatever goes on, which may complain, and no reload after it knows of this test
    problems.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(scope="session")
def _tab(context):
    with _opened(context) as opened:
        yield opened


@pytest.fixture(scope="module")
def _kept(_tab):
    yield _tab
    _leave(_tab)


@pytest.fixture
def page(_kept, request):
    """An empty tab whose console must stay without errors.

    All tests have the same one: the page takes half the work in a tab that has had it before.
    """
    if _kept[0].url != "about:blank":
        _leave(_kept)
    with _lent(_kept, request.node) as tab:
        yield tab


@pytest.fixture
def staying(_kept, request):
    """`page` as the test before has left it, which spares its file's tests to open the page anew; empty for the first
    test, and after one that failed, so that no test may need the one before (EMPTY_TABS=1 shows it).
    """
    with _lent(_kept, request.node, stays=True) as tab:
        yield tab


@pytest.fixture(scope="session")
def _phones(browser):
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def _phone_tab(_phones):
    with _opened(_phones) as opened:
        yield opened


@pytest.fixture(scope="module")
def _kept_phone(_phone_tab):
    yield _phone_tab
    _leave(_phone_tab)


@pytest.fixture
def phone(_kept_phone, request):
    """`page` on a phone: 390 x 844 pixels, and fingers."""
    with _lent(_kept_phone, request.node) as tab:
        yield tab


@pytest.fixture
def staying_phone(_kept_phone, request):
    """`staying` on a phone."""
    with _lent(_kept_phone, request.node, stays=True) as tab:
        yield tab


@pytest.fixture
def failing(_kept, request):
    """`staying`, but its console may tell of errors, and what moves is still."""
    tab, problems = _kept
    tab.emulate_media(reduced_motion="reduce")
    yield tab
    tab.unroute_all()
    tab.emulate_media(reduced_motion="null")
    problems.clear()
    if not _may_stay(request.node):
        _leave(_kept)


@pytest.fixture(scope="session")
def bare(browser) -> Callable[[dict[str, bytes]], object]:
    """`bare({"base/runtime.json": b"{}"})`: a page of nothing but a <main>, on a host of gan/web and these files."""

    def open_page(files: dict[str, bytes]) -> object:
        tab = browser.new_page()

        def answer(route) -> None:
            path = urlsplit(route.request.url).path.lstrip("/")
            if path in files:
                route.fulfill(body=files[path], content_type="text/javascript" if path.endswith("js") else "text/plain")
            elif path:
                route.fulfill(path=WEB / path)
            else:
                route.fulfill(content_type="text/html", body="<main></main>")

        tab.route("**/*", answer)
        tab.goto("http://modules.invalid/")
        return tab

    return open_page


@pytest.fixture(scope="session")
def modules(bare):
    """A `bare` page."""
    tab = bare({})
    yield tab
    tab.close()


@pytest.fixture(scope="session")
def run(modules) -> Callable[..., object]:
    """`run("shared/state.js", "(module, face) => module.origin(face)", face)`: a function of JavaScript's, given a
    module of gan/web and what else is named, in the page of `modules`; returns what that returns.
    """

    def evaluate(name: str, function: str, argument: object = None) -> object:
        modules.evaluate("document.body.replaceChildren(document.createElement('main'))")
        script = "async ([name, source, argument]) => (0, eval)(source)(await import('/' + name), argument)"
        return modules.evaluate(script, [name, function, argument])

    return evaluate
