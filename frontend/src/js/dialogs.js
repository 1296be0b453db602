// Native dialogs: opened by name, the safe button first in focus, focus returned to what opened them.
export function openDialog(dialog) {
  if (!dialog || dialog.open) return;
  const opener = document.activeElement;
  dialog.addEventListener("close", () => opener?.isConnected && opener.focus(), { once: true });
  dialog.showModal();
  dialog.querySelector("[data-safe]")?.focus();
}

function checkTyped(input) {
  const deed = input.form?.querySelector("[data-deed]");
  const plain = (text) => text.replace(/[\s.,\u00a0\u202f]/g, "").toLowerCase();
  if (deed) deed.disabled = plain(input.value) !== plain(input.dataset.mustMatch);
}

export function startDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      event.preventDefault();
      openDialog(document.getElementById(opener.dataset.dialog));
    }
    const closer = event.target.closest("[data-dialog-close]");
    if (closer) {
      event.preventDefault();
      closer.closest("dialog")?.close();
    }
    // A click on the backdrop lands on the dialog itself.
    if (event.target instanceof HTMLDialogElement && outside(event)) event.target.close();
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("[data-must-match]")) checkTyped(event.target);
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const dialog = event.target.matches?.("dialog[data-open-now]") ? event.target : event.target.querySelector?.("dialog[data-open-now]");
    if (dialog) openDialog(dialog);
  });
}

function outside(event) {
  const box = event.target.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}
