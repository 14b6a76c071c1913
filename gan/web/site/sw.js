// Keeps the page in the visitor's browser. `self.SITE`, which is written above this, says what there is:
// {version, shell: files that the page needs whatever it shows, drawing: those that draw, all: {file: bytes}}.
const { version, shell, drawing, all } = self.SITE;
const SCOPE = self.registration.scope;
const PREFIX = `gan-faces ${SCOPE} `; // other pages of the same host keep theirs
const opened = caches.open(PREFIX + version);
// Threads, which draw sooner, take a page that is kept apart from other sites', as gan/ui/isolated.py says it; the scripts
// of its workers have to say the same. In a frame of another site's page nothing changes.
const ISOLATED = { "Cross-Origin-Embedder-Policy": "credentialless", "Cross-Origin-Opener-Policy": "same-origin" };
const address = (file) => new URL(file, SCOPE).href;
const fileAt = (url) => decodeURI(url.slice(SCOPE.length)) || "index.html";

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(install());
});

async function install() {
  const cache = await opened;
  await Promise.all(shell.map((file) => keep(cache, file, "no-cache")));
}

// What an older version has kept is taken over, where its name says that it is the same; the rest goes.
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

async function takeOver() {
  const cache = await opened;
  for (const name of await caches.keys()) {
    if (!name.startsWith(PREFIX) || name === PREFIX + version) continue;
    const older = await caches.open(name);
    for (const request of await older.keys()) {
      const isSame = /-[0-9a-f]{12}\.\w+$|\/(runtime|detector)\//.test(request.url) && all[fileAt(request.url)];
      if (isSame && !(await cache.match(request))) await cache.put(request, await older.match(request));
    }
    await caches.delete(name);
  }
  await self.clients.claim();
}

self.addEventListener("fetch", (event) => {
  const url = event.request.url.split(/[?#]/)[0];
  if (event.request.method !== "GET" || !url.startsWith(SCOPE)) return;
  if (!all[fileAt(url)]) return;
  const answered = answer(event.request, fileAt(url));
  event.respondWith(["document", "worker"].includes(event.request.destination) ? answered.then(isolated) : answered);
});

async function answer(request, file) {
  const cache = await opened;
  const known = await cache.match(address(file));
  if (known) return known;
  const response = await fetch(request);
  if (response.status === 200) cache.put(address(file), response.clone()).catch(console.warn); // no room
  return response;
}

function isolated(response) {
  if (!response.ok) return response; // where to go instead, perhaps, which nobody but the browser may read
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATED)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

// A page asks to keep the files below a folder; `drawing`: of them only what draws. It is told what there is then.
self.addEventListener("message", (event) => event.waitUntil(fulfil(event.data, event.source)));

async function fulfil({ keep: folder, drawing: onlyDrawing }, page) {
  const cache = await opened;
  const wanted = onlyDrawing ? drawing : Object.keys(all);
  let problem = "";
  for (const file of wanted.filter((name) => name.startsWith(folder) || name.startsWith("runtime"))) {
    try {
      await keep(cache, file);
    } catch (error) {
      problem = error.message;
      break;
    }
  }
  const there = new Set((await cache.keys()).map(({ url }) => fileAt(url)));
  const files = Object.keys(all).filter((file) => there.has(file));
  const models = [...new Set(drawing.filter((file) => file.startsWith("models/")).map((file) => file.split("/")[1]))];
  const isThere = (model) => drawing.every((file) => !file.startsWith(`models/${model}/`) || there.has(file));
  const kept = files.reduce((sum, file) => sum + all[file], 0);
  const most = Object.values(all).reduce((sum, bytes) => sum + bytes, 0);
  page.postMessage({ models: models.filter(isThere), kept, all: most, problem });
}

async function keep(cache, file, mode = "default") {
  if (await cache.match(address(file))) return;
  const response = await fetch(address(file), { cache: mode });
  if (!response.ok) throw new Error(`${file} was not sent: status ${response.status}`);
  await cache.put(address(file), response);
}
