// The palette: Ctrl K or ⌘K asks the server for campaigns, people and pages; arrows choose, Enter goes.
import { openDialog } from "./dialogs.js";

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const palette = () => document.getElementById("palette");
const hits = () => [...palette().querySelectorAll("#found a")];

export function openPalette(htmx) {
  const dialog = palette();
  if (!dialog || document.querySelector("dialog[open]")) return false;
  openDialog(dialog);
  const field = dialog.querySelector("input");
  field.focus();
  field.select();
  htmx.trigger(field, "ask");
  return true;
}

function move(event) {
  const all = hits();
  if (!all.length) return;
  event.preventDefault();
  const at = all.indexOf(document.activeElement);
  const next = event.key === "ArrowDown" ? at + 1 : at - 1;
  if (next < 0) palette().querySelector("input").focus();
  else all[Math.min(next, all.length - 1)].focus();
}

export function startPalette(htmx) {
  document.addEventListener("keydown", (event) => {
    const isOurs = event.key.toLowerCase() === "k" && (isMac ? event.metaKey : event.ctrlKey) && !event.shiftKey && !event.altKey;
    if (isOurs && palette()) {
      event.preventDefault();
      openPalette(htmx);
    } else if (palette()?.open && (event.key === "ArrowDown" || event.key === "ArrowUp")) move(event);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette]") && openPalette(htmx)) event.preventDefault();
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-palette-form]")) return;
    const first = hits()[0];
    // The first hit, unless the answer to the last letters is still on its way: then the page of all that was found.
    if (first && !event.target.querySelector(".htmx-request")) {
      event.preventDefault();
      first.click();
    }
  });
  if (isMac) for (const keys of document.querySelectorAll("[data-mac]")) keys.textContent = keys.dataset.mac;
}
