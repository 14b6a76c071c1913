// One way for all that the page asks its server. Gradio's client makes nothing of a failed request but `undefined`, or
// a reload of the page; so here, below it, a request that gets no answer waits until the server answers again, while
// one line says so. What is on the page stays, and the newest state is drawn as soon as it can be.
(() => {
  const OURS = /\/gradio_api\/(run|component_server|queue\/join|queue\/data|app_id)\b/;
  const REPEATED = /\/(run|component_server|queue\/join)\b/; // here; who sends the others does it, or begins anew
  const PAUSES = [0.5, 1, 2, 3]; // seconds between two tries, the last of them for all further ones
  const LEAST_PAUSE = 0.3; // seconds, however busily the visitor moves things
  const FAULTS = 8; // answers of a server that is there and fails, after which it will fail again
  const LATE = 10; // seconds after which it is said that no answer came
  const PATIENCE = { draw: 20, replay_download: 900 }; // seconds until a request is taken for lost, by server function
  const PATIENT = 180; // those of all others
  const SILENT =
    "The server does not answer. What you see stays; this page tries again by itself, and with your next move.";
  const FAILING =
    "The server fails to answer. What you see stays; this page tries again by itself, and with your next move.";
  const GONE = {}; // stands for what is not repeated here, until anything is answered
  const send = window.fetch.bind(window);

  const waiting = new Map(); // requests that have no answer -> what is said of them
  const sleeping = new Set(); // what wakes the pauses
  const line = document.createElement("p");
  line.className = "connection";
  line.setAttribute("role", "status");

  function tell(request, sentence) {
    waiting.delete(request);
    if (sentence) waiting.set(request, sentence);
    const newest = [...waiting.values()].at(-1) ?? "";
    if (line.textContent === newest) return;
    if (!line.isConnected) document.body.append(line);
    line.textContent = newest;
  }

  function wake() {
    for (const end of [...sleeping]) end();
  }

  // The visitor moves something, the network or the page comes back: now rather than later.
  for (const name of ["input", "click", "keydown", "visibilitychange"])
    document.addEventListener(name, () => document.hidden || wake(), true);
  window.addEventListener("online", wake);

  async function pause(number) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * LEAST_PAUSE));
    await new Promise((resolve) => {
      let timer;
      const end = () => {
        sleeping.delete(end);
        clearTimeout(timer);
        resolve();
      };
      const look = () => {
        if (document.hidden) timer = setTimeout(look, 1000);
        else end();
      };
      timer = setTimeout(look, 1000 * (PAUSES[Math.min(number, PAUSES.length - 1)] - LEAST_PAUSE));
      sleeping.add(end);
    });
  }

  // An answer is our server's: JSON, or a stream. The page of a gateway, or of a host that is starting, is none.
  const isAnswer = ({ status, headers }) =>
    (status >= 400 && status < 500) || /json|event-stream/.test(headers.get("content-type"));

  // One try: the response, or undefined where none came.
  async function attempt(request, input, options) {
    const name = typeof options?.body === "string" && options.body.match(/"fn_name":"(\w+)"/)?.[1];
    const ended = new AbortController();
    const theirs = options?.signal ?? input.signal;
    const end = () => ended.abort();
    theirs?.addEventListener("abort", end);
    const late = PATIENCE[name] > PATIENT ? 0 : setTimeout(() => tell(request, SILENT), 1000 * LATE);
    const limit = setTimeout(end, 1000 * (PATIENCE[name] ?? PATIENT));
    try {
      return await send(input, { ...options, signal: ended.signal });
    } catch (error) {
      if (theirs?.aborted) throw error; // nobody wants it any more
      console.warn(`No answer to ${input.url ?? input}:`, error);
    } finally {
      clearTimeout(late);
      clearTimeout(limit);
    }
  }

  const json = (content, status) =>
    new Response(JSON.stringify(content), { status: status, headers: { "content-type": "application/json" } });

  // A server function that was refused, as an answer: Gradio's client would drop the sentence.
  async function told(response) {
    const { error, detail } = await response.json().catch(() => ({}));
    return json({ problem: error ?? (typeof detail === "string" ? detail : FAILING) }, 200);
  }

  window.fetch = async (input, options) => {
    const path = String(input.url ?? input).split("?")[0];
    if (!OURS.test(path)) return send(input, options);
    const request = {};
    try {
      for (let number = 0, faults = 0; ; number++) {
        const response = await attempt(request, input, options);
        if (response && isAnswer(response)) {
          tell(GONE, "");
          setTimeout(wake); // the others need not wait any longer
          return path.includes("/component_server") && !response.ok ? await told(response) : response;
        }
        const sentence = response ? FAILING : SILENT;
        faults += response?.status === 500;
        if (!REPEATED.test(path) || faults === FAULTS) {
          tell(GONE, sentence);
          return json({ error: sentence }, 500);
        }
        tell(request, sentence);
        await pause(number);
      }
    } finally {
      tell(request, "");
    }
  };
})();
