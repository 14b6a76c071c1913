// Markdown as model cards have it, as HTML: headings, paragraphs, lists, tables, code, pictures, links, emphasis. It may
// be a stranger's: whatever else stands in it stays text.
import { html } from "../shared/html.js";

// Nothing in it is long: a stranger's text must not keep a browser busy.
const INLINE =
  /`([^`]{1,400})`|!\[([^\]]{0,400})\]\(([^()\s]{1,400})\)|\[([^[\]]{1,400})\]\(([^()\s]{1,400})\)|\*\*(.{1,400}?)\*\*|\*([^*\s][^*]{0,400})\*|\\([\\`*_|[\]])/g;
const ITEM = /^(?:[-*]|\d+\.) /;
const RULE = /^\|?[\s:|-]+\|?$/;

// level: of a first heading, 4 or more; picture(name): the address of a picture of the text, undefined for none;
// link(target, words): a link as HTML, or the words alone where it leads nowhere.
export function rendered(text, { level, picture, link }) {
  const inline = (line) => spans(line, picture, link);
  return blocks(text.split("\n")).map((block) => written(block, level, inline));
}

// {kind, lines} each.
function blocks(lines) {
  const found = [];
  let current = null;
  const begin = (kind, line) => {
    current = { kind, lines: [line] };
    found.push(current);
  };
  for (const line of lines) {
    if (current?.kind === "code") {
      if (line.startsWith("```")) current = null;
      else current.lines.push(line);
    } else if (line.startsWith("```")) {
      begin("code", "");
      current.lines = [];
    } else if (!line.trim()) current = null;
    else if (/^#{1,6} +\S/.test(line)) {
      begin("heading", line);
      current = null;
    } else if (line.startsWith("|")) {
      if (current?.kind === "table") current.lines.push(line);
      else begin("table", line);
    } else if (ITEM.test(line)) {
      if (current?.kind === "list") current.lines.push(line);
      else begin("list", line);
    } else if (current && current.kind !== "table") {
      if (current.kind === "list") current.lines[current.lines.length - 1] += ` ${line.trim()}`;
      else current.lines.push(line);
    } else begin("paragraph", line);
  }
  return found;
}

function written({ kind, lines }, level, inline) {
  if (kind === "code") return html`<pre tabindex="0"><code>${lines.join("\n")}</code></pre>`;
  if (kind === "heading") return heading(lines[0], level, inline);
  if (kind === "table") return table(lines, inline);
  if (kind === "list") return html`<ul>${lines.map((line) => html`<li>${inline(line.replace(ITEM, ""))}</li>`)}</ul>`;
  return html`<p>${inline(lines.join(" "))}</p>`;
}

function heading(line, level, inline) {
  const [, marks, words] = line.match(/^(#+) +(.*)$/);
  const parts = inline(words);
  const at = level + marks.length - 1;
  if (at <= 4) return html`<h4>${parts}</h4>`;
  return at === 5 ? html`<h5>${parts}</h5>` : html`<h6>${parts}</h6>`;
}

function table(lines, inline) {
  const rows = lines.filter((line) => !RULE.test(line)).map(cells);
  const [head = [], ...body] = rows;
  return html`<div class="wide" tabindex="0" role="group" aria-label="Table"><table>
    ${head.some(Boolean) && html`<thead><tr>${head.map((cell) => (cell ? html`<th>${inline(cell)}</th>` : html`<td></td>`))}</tr></thead>`}
    <tbody>${body.map((row) => html`<tr>${row.map((cell) => html`<td>${inline(cell)}</td>`)}</tr>`)}</tbody></table></div>`;
}

// A stroke with a backslash before it is part of a cell.
const cells = (line) =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());

function spans(text, picture, link) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    const [all, code, alt, source, words, target, strong, light, escaped] = found;
    parts.push(text.slice(from, found.index));
    from = found.index + all.length;
    if (code !== undefined) parts.push(html`<code>${code}</code>`);
    else if (source !== undefined)
      parts.push(picture(source) ? html`<img src="${picture(source)}" alt="${alt}">` : alt);
    else if (target !== undefined) parts.push(link(target, spans(words, picture, link)));
    else if (strong !== undefined) parts.push(html`<strong>${spans(strong, picture, link)}</strong>`);
    else if (light !== undefined) parts.push(html`<em>${spans(light, picture, link)}</em>`);
    else parts.push(escaped);
  }
  return [...parts, text.slice(from)];
}
