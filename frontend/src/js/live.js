// Live regions: asked again every few seconds while the page is seen, and honest about how old they are.
//
// <section id="x" data-live="2" hx-get="…" hx-trigger="poll" hx-swap="outerHTML">
//   <span data-live-note data-fresh="updated {when}" data-late="No news for {n} s, trying again"></span>
// The reply without data-live ends the polling. Words come from the server; {when} from the browser's own language data.
const LATE = 10;
const news = new Map(); // id → when the region last spoke, in ms
const asked = new Map(); // id → when it was last asked

const regions = () => document.querySelectorAll("[data-live][id]");
const age = (id) => Math.max(0, Math.round((Date.now() - (news.get(id) ?? Date.now())) / 1000));

function write(region) {
  const note = region.querySelector("[data-live-note]") ?? document.querySelector(`[data-live-note="${region.id}"]`);
  if (!note) return;
  const seconds = age(region.id);
  const isLate = seconds >= LATE;
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "always" });
  const words = isLate ? note.dataset.late : note.dataset.fresh;
  const text = (words ?? "").replace("{when}", relative.format(-seconds, "second")).replace("{n}", String(seconds));
  if (note.textContent !== text) note.textContent = text;
  note.classList.toggle("stale", isLate);
}

function tick(htmx) {
  for (const region of regions()) {
    if (!news.has(region.id)) news.set(region.id, Date.now());
    if (!document.hidden) {
      const period = Number(region.dataset.live) * 1000;
      const since = Date.now() - (asked.get(region.id) ?? news.get(region.id));
      const isBusy = region.classList.contains("htmx-request");
      // Do not swap under an open menu or dialog, and do not ask twice at once.
      const isHeld = region.querySelector("details.menu[open], dialog[open]");
      if (since >= period - 50 && !isBusy && !isHeld) {
        asked.set(region.id, Date.now());
        htmx.trigger(region, "poll");
      }
    }
    write(region);
  }
}

export function startLive(htmx) {
  document.addEventListener("htmx:afterRequest", (event) => {
    // The element that asked may have been replaced by now; its name goes on.
    const id = event.detail.requestConfig?.elt?.id;
    if (id && news.has(id) && event.detail.successful) news.set(id, Date.now());
    regions().forEach(write);
  });
  document.addEventListener("visibilitychange", () => tick(htmx));
  setInterval(() => tick(htmx), 500);
  tick(htmx);
}
