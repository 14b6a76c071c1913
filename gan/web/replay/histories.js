// The histories of two runs as one table, whose first column says whose a row is. A row is a line, and only its last
// column, what happened, may hold commas (gan/history.py).

// files: of each run, as the server sends it, or a problem; returns the same of both.
export function together(names, files) {
  const failed = files.find((file) => file.problem);
  if (failed || files.length === 1) return failed ?? files[0];
  const tables = files.map((file) => tableOf(textOf(file.content)));
  const last = tables[0].columns.at(-1);
  const columns = [...new Set(tables.flatMap((table) => table.columns.slice(0, -1))), last];
  const lines = [["run", ...columns]];
  for (const [i, { columns: own, rows }] of tables.entries())
    for (const row of rows) lines.push([quoted(names[i]), ...columns.map((column) => row[own.indexOf(column)] ?? "")]);
  const text = lines.map((line) => `${line.join(",")}\n`).join("");
  return {
    ...files[0],
    name: `${names.map((name) => name.replaceAll("/", "-")).join("-")}-history.csv`,
    content: contentOf(text),
  };
}

function tableOf(text) {
  const [head, ...lines] = text.split(/\r?\n/).filter(Boolean);
  const columns = head.split(",");
  const rows = lines.map((line) => {
    const parts = line.split(",");
    return [...parts.slice(0, columns.length - 1), parts.slice(columns.length - 1).join(",")];
  });
  return { columns, rows };
}

const quoted = (name) => (/[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
const textOf = (content) => new TextDecoder().decode(Uint8Array.from(atob(content), (one) => one.charCodeAt(0)));
const contentOf = (text) =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
