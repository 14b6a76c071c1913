// Asks the server: what comes is its answer or {problem: a sentence}, never nothing and never an exception. Where the
// server gave no answer at all, for longer than connection.js waits, that is `unanswered` too.
const UNANSWERED = "The server does not answer: the next move tries again.";
const UNDRAWN = "This browser could not draw it: the next move tries again."; // and there is no server

// server: as `mount` is given it; name: of its function; asked: what it is given.
export async function ask(server, name, asked) {
  if (!server?.[name]) return { problem: UNDRAWN, unanswered: true };
  try {
    const answer = await server[name](asked); // undefined where the request failed
    return answer && typeof answer === "object" ? answer : { problem: UNANSWERED, unanswered: true };
  } catch (error) {
    console.warn(error);
    return { problem: UNANSWERED, unanswered: true };
  }
}
