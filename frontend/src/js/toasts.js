// Toasts: six seconds, waiting while they are pointed at or hold focus; never the only place a result is shown.
const STAY = 6000;

function watch(toast) {
  let timer = 0;
  const go = () => { timer = setTimeout(() => toast.remove(), STAY); };
  const hold = () => clearTimeout(timer);
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("pointerleave", go);
  toast.addEventListener("focusout", go);
  go();
}

export function startToasts() {
  const region = document.getElementById("toasts");
  if (!region) return;
  for (const toast of region.children) watch(toast);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node instanceof HTMLElement) watch(node);
  }).observe(region, { childList: true });
  // A fragment's reply may carry HX-Trigger: {"toast": {"text": "…"}}; the words are the server's.
  document.body.addEventListener("toast", (event) => {
    const text = event.detail?.text ?? event.detail?.value;
    if (!text) return;
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.textContent = text;
    region.append(toast);
  });
}
