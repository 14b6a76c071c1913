"""The Models tab in a real browser: its rows, a card that is read, and two models on one seed."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

MARKDOWN = "models/markdown.js"


def test_a_visitor_reads_of_the_models_and_compares_two_of_them(page, site):
    page.goto(site.url)
    page.wait_for_selector("#stage .picture img")
    page.get_by_role("tab", name="Models").click()
    rows = page.locator("#models-viewer li")
    expect(rows).to_have_count(2)  # the broken model has none
    tiny = page.locator("#models-viewer li[data-model='runs/tiny']")
    expect(tiny.locator("dl")).to_contain_text("16 × 16, colour")
    expect(tiny.locator("dl")).to_contain_text("2,000")
    expect(tiny.locator("figure img")).to_have_js_property("naturalWidth", 512)

    tiny.locator("summary", has_text="Model card").focus()
    page.keyboard.press("Enter")
    card = tiny.locator("[data-page='README.md'] .card")
    expect(card.locator("h4")).to_have_text("tiny")
    expect(card.locator("table td", has_text="Adam, learning rates")).to_be_visible()
    expect(card.locator("img").first).to_have_js_property("complete", True)

    pair = page.locator("#models-viewer .pair")
    left, right = pair.locator(".drawn img").all()
    expect(left).to_have_attribute("alt", "Seed 0, drawn by runs/tiny")
    expect(right).to_have_attribute("alt", "Seed 0, drawn by small")
    before = [image.get_attribute("src") for image in (left, right)]
    pair.get_by_label("Seed of both pictures").focus()
    page.keyboard.press("ArrowRight")
    expect(right).to_have_attribute("alt", "Seed 1, drawn by small")
    expect(left).to_have_attribute("alt", "Seed 1, drawn by runs/tiny")
    seed_one = left.get_attribute("src")
    assert seed_one != before[0] and right.get_attribute("src") != before[1]
    pair.get_by_label("Model on the right").select_option("runs/tiny")
    expect(right).to_have_attribute("src", seed_one)

    tiny.get_by_role("button", name="Replay").click()
    expect(page.get_by_label("Run", exact=True)).to_have_value("runs/tiny")
    expect(page.locator("#replay-viewer .sheet").first).to_have_attribute("data-sheet", "11")
    page.get_by_role("tab", name="Models").click()
    pair.get_by_role("button", name="Explore this face").first.click()
    expect(page.locator("#stage [data-query]")).to_have_attribute("data-query", "model=runs/tiny&seed=1&truncation=1")
    expect(page.locator("#stage .picture img")).to_be_visible()


SHOWN = """(m, [text, pictures]) => {
    const main = document.querySelector("main");
    return import("/shared/html.js").then(({ fill, html }) => {
        fill(main, m.rendered(text, { level: 4, picture: (name) => pictures[name],
            link: (target, words) => target.startsWith("https:") ? html`<a href="${target}">${words}</a>` : words }));
        return main.innerHTML.replace(/\\s+/g, " ");
    });
}"""
TEXT = r"""# One `two`
A line
goes on, **bold** and *light*, 2 * 3 * 4, a \| stroke.
## Smaller
- first
  goes on
- [away](https://example.org/a) and [nowhere](javascript:alert(1)), [near](notes.md)

| | a | b \| c |
|---|---:|---|
| x | **1** | <img src=x onerror=alert(1)> |

```python
# not a heading
| x |
```
![a "picture"](here.webp) ![none](javascript:1)
"""


def test_markdown_is_what_it_says_and_nothing_more(run):
    shown = run(MARKDOWN, SHOWN, [TEXT, {"here.webp": "data:image/webp;base64,AA"}])
    for part in (
        "<h4>One <code>two</code></h4>",
        "<p>A line goes on, <strong>bold</strong> and <em>light</em>, 2 * 3 * 4, a | stroke.</p><h5>Smaller</h5>",
        '<ul><li>first goes on</li><li><a href="https://example.org/a">away</a> and [nowhere](javascript:alert(1)),',
        " near</li>",
        "<thead><tr><td></td><th>a</th><th>b | c</th></tr></thead>",
        "<td>x</td><td><strong>1</strong></td><td>&lt;img src=x onerror=alert(1)&gt;</td>",
        "<code># not a heading | x |</code>",
        '<p><img src="data:image/webp;base64,AA" alt="a &quot;picture&quot;"> none</p>',
    ):
        assert part in shown, shown


@pytest.mark.parametrize("text", ["[" * 200_000, "`*" * 100_000, "**" + "a " * 200_000, "![" * 100_000])
def test_no_text_keeps_a_browser_busy(modules, run, text):
    assert len(run(MARKDOWN, SHOWN, [text, {}])) >= len(json.dumps(text)) - 20_000
