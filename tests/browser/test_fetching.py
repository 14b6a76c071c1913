"""What runs the networks may come from another host: it is used only if it is the right one, also by plain HTTP."""

from __future__ import annotations

import base64
import hashlib

import pytest

CONTENT = bytes(range(256)) * 300
INTEGRITY = "sha384-" + base64.b64encode(hashlib.sha384(CONTENT).digest()).decode()
FETCH = """async (file) => {
    const { fetched } = await import("/engine/fetching.js");
    try { return (await fetched(file)).reduce((sum, byte) => sum + byte, 0); }
    catch (error) { return error.message; }
}"""


@pytest.mark.parametrize("scheme", ["http", "https"])  # only on the latter a page can make digests itself
def test_a_file_of_another_host_is_refused_unless_it_is_the_right_one(bare, scheme):
    page = bare({})
    page.goto(f"{scheme}://modules.invalid/")
    assert page.evaluate("Boolean(globalThis.crypto?.subtle)") is (scheme == "https")
    sent = {}
    page.route(
        "https://elsewhere.invalid/*",
        lambda route: route.fulfill(body=sent["body"], headers={"Access-Control-Allow-Origin": "*"}),
    )
    file = {"address": "https://elsewhere.invalid/runtime.wasm", "bytes": len(CONTENT), "integrity": INTEGRITY}

    def fetched(body: bytes) -> object:
        sent["body"] = body
        return page.evaluate(FETCH, file)

    assert fetched(CONTENT) == sum(CONTENT)
    for wrong in (b"\0" + CONTENT[1:-1] + b"\1", CONTENT[:-1], CONTENT + b"\0", b""):
        assert isinstance(fetched(wrong), str)
    page.close()
