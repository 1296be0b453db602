// The keyboard: / search, g then a letter goes, ? lists the keys, Escape closes the topmost thing.
import { openDialog } from "./dialogs.js";
import { closeDrawer } from "./drawer.js";
import { closeMenus } from "./menus.js";

const OFF = "single-keys-off";
let isGoing = false;

function isOff() {
  try { return localStorage.getItem(OFF) === "1"; } catch { return false; }
}

const isTyping = (element) => element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);

function go(letter) {
  const link = document.querySelector(`[data-go="${CSS.escape(letter)}"]`);
  if (!link) return false;
  link.click();
  return true;
}

function onSingleKey(event) {
  if (isGoing) {
    isGoing = false;
    return go(event.key);
  }
  if (event.key === "/") {
    const search = document.querySelector("[data-search], .search input");
    search?.focus();
    search?.select?.();
    return Boolean(search);
  }
  if (event.key === "?") {
    openDialog(document.getElementById("keys"));
    return true;
  }
  if (event.key === "g") {
    isGoing = true;
    setTimeout(() => { isGoing = false; }, 1500);
    return true;
  }
  const here = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  here?.click();
  return Boolean(here);
}

export function startKeyboard() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      // An open dialog closes itself; only what lies under nothing else is ours.
      if (!document.querySelector("dialog[open]") && (closeMenus({ refocus: true }) || closeDrawer())) event.preventDefault();
      return;
    }
    if (isOff() || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key.length === 1 && onSingleKey(event)) event.preventDefault();
  });
  const box = document.getElementById("single-keys");
  if (!box) return;
  box.checked = !isOff();
  box.addEventListener("change", () => {
    try { localStorage.setItem(OFF, box.checked ? "0" : "1"); } catch { /* private windows may have no storage; the keys stay on */ }
  });
}
