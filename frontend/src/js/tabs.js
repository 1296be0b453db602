// Tabs wider than the window: the current one is in sight, and an edge fades where there are more.
function fade(tabs) {
  const behind = tabs.scrollWidth - tabs.clientWidth - tabs.scrollLeft;
  tabs.classList.toggle("has-before", tabs.scrollLeft > 1);
  tabs.classList.toggle("has-after", behind > 1);
}

export function startTabs() {
  for (const tabs of document.querySelectorAll("nav.tabs")) {
    const current = tabs.querySelector("[aria-current]");
    if (current) {
      const [at, frame] = [current.getBoundingClientRect(), tabs.getBoundingClientRect()];
      tabs.scrollLeft += at.left + at.width / 2 - frame.left - frame.width / 2;
    }
    tabs.addEventListener("scroll", () => fade(tabs), { passive: true });
    new ResizeObserver(() => fade(tabs)).observe(tabs);
  }
}
