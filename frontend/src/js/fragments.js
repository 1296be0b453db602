// What every htmx swap owes the reader: focus that stays, a lost session that is noticed, a failure that is said.
import { holdsPage } from "./autosave.js";

let focusWithin = null;

function beforeSwap(event) {
  const { xhr, target } = event.detail;
  focusWithin = target?.contains(document.activeElement) ? document.activeElement : null;
  // Our own refusals carry a sentence for the person; it goes where notices stand, not into the fragment's place.
  const notices = document.getElementById("notices");
  if (xhr.status >= 400 && notices && xhr.responseText.includes("data-notice")) {
    Object.assign(event.detail, { shouldSwap: true, isError: false, target: notices, swapOverride: "innerHTML" });
    return;
  }
  // A page with something typed on it is never left for the sign-in page by itself.
  if (holdsPage(xhr)) {
    event.detail.shouldSwap = false;
    return;
  }
  const signIn = document.querySelector('meta[name="sign-in"]')?.content;
  // fetch follows the redirect to the sign-in page; the whole page goes there, and comes back after signing in.
  if (signIn && xhr.responseURL && new URL(xhr.responseURL).pathname === signIn && location.pathname !== signIn) {
    event.detail.shouldSwap = false;
    location.reload();
  }
}

function afterSwap(event) {
  const gone = focusWithin && !focusWithin.isConnected && (!focusWithin.id || !document.getElementById(focusWithin.id));
  if (gone && document.activeElement === document.body) {
    const region = event.detail.elt?.isConnected ? event.detail.elt : document.getElementById(event.detail.target?.id) ?? document;
    const heading = region.querySelector("h1, h2, h3") ?? document.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  }
  focusWithin = null;
}

function failed(event) {
  // Live regions say it themselves, in place.
  if (event.target.closest?.("[data-live], [data-autosave]")) return;
  const words = document.getElementById("request-failed");
  const region = document.getElementById("notices");
  if (!words || !region || region.querySelector("[data-request-failed]")) return;
  region.append(words.content.cloneNode(true));
}

export function startFragments() {
  document.addEventListener("htmx:beforeSwap", beforeSwap);
  document.addEventListener("htmx:afterSwap", afterSwap);
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!event.target.closest?.("[data-live]")) document.querySelector("[data-request-failed]")?.remove();
  });
}
