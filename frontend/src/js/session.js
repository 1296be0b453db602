// Says two minutes before that a session ends, and lets people stay; the server is asked first, because another window
// may have been busy. Words come from the server.
const WARN = 120;
const EVERY = 5000;
const address = () => document.querySelector('meta[name="session"]')?.dataset.url;
let ends = 0;
let said = "";
let isAsking = false;

const left = () => Math.round((ends - Date.now()) / 1000);

function say(id) {
  if (said === id) return;
  said = id;
  document.querySelector("[data-session-note]")?.closest(".banner")?.remove();
  const words = id && document.getElementById(id);
  if (words) document.getElementById("notices")?.prepend(words.content.cloneNode(true));
}

async function ask(method) {
  if (isAsking) return;
  isAsking = true;
  try {
    const { "X-CSRFToken": token } = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
    const headers = method === "POST" ? { "X-CSRFToken": token } : { "HX-Request": "true" };
    const reply = await fetch(address(), { method, headers });
    if (reply.ok) {
      const { seconds } = await reply.json();
      ends = Date.now() + seconds * 1000;
      say(seconds <= 0 ? "session-over" : seconds <= WARN ? "session-ends" : "");
    }
  } catch { /* the server is away: asked again at the next tick */ } finally {
    isAsking = false;
  }
}

export function startSession() {
  const known = document.querySelector('meta[name="session"]');
  if (!known) return;
  ends = Date.now() + Number(known.content) * 1000;
  setInterval(() => {
    // Asked when the warning is due, and when the end is; in between the clock is enough.
    if (said !== "session-over" && left() <= (said ? 0 : WARN)) ask("GET");
  }, EVERY);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-session-stay]")) ask("POST");
  });
}
