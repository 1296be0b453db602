// Forms that save themselves: what was typed outlives a failing server, a lost session and leaving the page too soon.
//
// <div data-autosave hx-post="…" hx-trigger="…, retry">, <template id="autosave-failed">, <template id="autosave-signed-out">,
// <template id="autosave-kept">: the words are the page's. What is not saved yet is put aside in this tab.
const RETRY = 5000;
const saver = () => document.querySelector("[data-autosave]");
const form = () => document.getElementById("step");
const place = () => `typed:${location.pathname}`;
let typed = 0; // how many changes there were
let saved = 0; // how many of them the server has
let timer = 0;
let isGone = false; // the draft cannot be saved from here: somebody else has

const isOwed = () => saver() && typed > saved;
const fields = () => [...form().elements].filter((field) => field.name && !/^(hidden|submit|button|file)$/.test(field.type));
const isChoice = (field) => field.type === "checkbox" || field.type === "radio";

function putAside() {
  const values = fields().map((field) => [field.name, isChoice(field) ? field.value : "", isChoice(field) ? field.checked : field.value]);
  try { sessionStorage.setItem(place(), JSON.stringify({ seen: seen(), values })); } catch { /* without storage the page itself is all there is */ }
}

function forget() {
  try { sessionStorage.removeItem(place()); } catch { /* nothing was put aside either */ }
}

const seen = () => document.getElementById("seen")?.value ?? "";

// Brought back only onto the very draft it was typed over: one that was saved since has it, or has something newer.
function bringBack() {
  let kept = null;
  try { kept = JSON.parse(sessionStorage.getItem(place()) ?? "null"); } catch { return; }
  forget();
  if (!kept || kept.seen !== seen()) return;
  let changed = null;
  for (const [name, value, now] of kept.values) {
    const field = fields().find((each) => each.name === name && (!isChoice(each) || each.value === value));
    if (!field || (isChoice(field) ? field.checked : field.value) === now) continue;
    if (isChoice(field)) field.checked = now;
    else field.value = now;
    changed = field;
  }
  if (!changed) return;
  say("autosave-kept");
  typed += 1;
  timer = setTimeout(retry, 300);
}

function say(id) {
  const words = document.getElementById(id);
  const region = document.getElementById("notices");
  region?.querySelector("[data-autosave-said]")?.remove();
  if (!words || !region) return;
  const notice = words.content.firstElementChild.cloneNode(true);
  notice.dataset.autosaveSaid = id;
  region.append(notice);
}

function retry() {
  clearTimeout(timer);
  if (!isOwed() || isGone) return;
  globalThis.htmx.trigger(saver(), "retry");
  timer = setTimeout(retry, RETRY);
}

function failed(id) {
  putAside();
  if (document.querySelector("[data-autosave-said]")?.dataset.autosaveSaid !== id) say(id);
  const note = document.getElementById("saved");
  if (note) note.textContent = saver().dataset.unsaved;
  clearTimeout(timer);
  timer = setTimeout(retry, RETRY);
}

function succeeded(upTo) {
  saved = Math.max(saved, upTo);
  document.querySelector('[data-autosave-said]:not([data-autosave-said="autosave-kept"])')?.remove();
  if (!isOwed()) forget();
}

// The server has what it can keep; the rest is only here.
function refused() {
  clearTimeout(timer);
  document.querySelector('[data-autosave-said]:not([data-autosave-said="autosave-kept"])')?.remove();
  setTimeout(putAside, 100); // once htmx has settled the new version
}

// Said beside the field, in the place where a page that was sent says it; one place for all choices of a group.
function explain(field, sentences) {
  const group = isChoice(field) ? field.closest("fieldset[id]") : null;
  const described = group ?? field;
  const frame = field.closest(".field");
  if (!frame || !described.id) return;
  const id = `${described.id}_error`;
  document.getElementById(id)?.remove();
  const rest = (described.getAttribute("aria-describedby") ?? "").split(" ").filter((each) => each && each !== id);
  if (sentences.length) {
    const place = document.createElement("div");
    place.id = id;
    for (const sentence of sentences) {
      const line = document.getElementById("autosave-why").content.firstElementChild.cloneNode(true);
      line.querySelector("span").textContent = sentence;
      place.append(line);
    }
    frame.append(place);
    rest.push(id);
  }
  if (rest.length) described.setAttribute("aria-describedby", rest.join(" "));
  else described.removeAttribute("aria-describedby");
}

// Marked where it stands, so that whoever is typing stays where they are.
function mark() {
  const why = JSON.parse(document.querySelector("#saved [data-why]")?.dataset.why ?? "{}");
  for (const field of fields()) {
    if (field.name in why) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    explain(field, why[field.name] ?? []);
  }
}

const isSignIn = (xhr) => {
  const signIn = document.querySelector('meta[name="sign-in"]')?.content;
  return Boolean(signIn && xhr.responseURL && new URL(xhr.responseURL).pathname === signIn);
};

const isSignedOut = () => Boolean(document.querySelector('[data-autosave-said="autosave-signed-out"]'));

// What polls hears of a lost session, and of a new one, before the next change does.
function otherAnswered(xhr, isSuccessful) {
  if (isSignIn(xhr)) failed("autosave-signed-out");
  else if (isSuccessful && isSignedOut()) {
    succeeded(saved);
    retry();
  }
}

function answered({ detail }) {
  const { xhr, requestConfig } = detail;
  if (detail.elt !== saver()) return otherAnswered(xhr, detail.successful);
  if (xhr.status === 409) isGone = true;
  else if (xhr.status === 403 || isSignIn(xhr)) failed("autosave-signed-out");
  else if (xhr.status === 422) refused();
  else if (detail.successful) succeeded(requestConfig.typed ?? 0);
  else failed("autosave-failed");
  if (detail.successful) mark();
}

// Signing in again in another window changes the token that every form must carry.
function renewToken(target) {
  const token = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];
  if (token) for (const input of target.querySelectorAll('input[name="csrfmiddlewaretoken"]')) input.value = token;
  return token;
}

export function holdsPage(xhr) {
  return Boolean(saver()) && isSignIn(xhr);
}

export function startAutosave(htmx) {
  if (!saver() || !form()) return;
  globalThis.htmx ??= htmx;
  bringBack();
  for (const name of ["input", "change"]) {
    document.addEventListener(name, (event) => {
      if (event.target.form === form()) typed += 1;
    });
  }
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const token = renewToken(document);
    if (!token) return;
    if (detail.headers["X-CSRFToken"]) detail.headers["X-CSRFToken"] = token;
    if (detail.parameters.csrfmiddlewaretoken) detail.parameters.csrfmiddlewaretoken = token;
  });
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (detail.elt === saver()) detail.requestConfig.typed = typed;
  });
  document.addEventListener("htmx:afterRequest", answered);
  document.addEventListener("htmx:sendError", ({ detail }) => {
    if (detail.elt === saver()) failed("autosave-failed");
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-forget]")) { typed = saved; forget(); }
  });
  form().addEventListener("submit", (event) => {
    // A form sent to a sign-in page loses what it carries.
    if (isSignedOut()) {
      event.preventDefault();
      retry();
      return;
    }
    renewToken(form());
    putAside();
  });
  addEventListener("pagehide", () => isOwed() && putAside());
  addEventListener("beforeunload", (event) => {
    if (isOwed() && document.querySelector('[data-autosave-said]:not([data-autosave-said="autosave-kept"])')) event.preventDefault();
  });
  addEventListener("focus", retry);
  addEventListener("online", retry);
}
