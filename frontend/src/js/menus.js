// Menus are <details class="menu">: they open without us; we close them on Escape, on a click elsewhere, on leaving.
const openMenus = () => document.querySelectorAll("details.menu[open]");

export function closeMenus({ refocus = false } = {}) {
  let closed = false;
  for (const menu of openMenus()) {
    menu.open = false;
    closed = true;
    if (refocus) menu.querySelector("summary").focus();
  }
  return closed;
}

function move(event) {
  const menu = event.target.closest("details.menu[open]");
  if (!menu) return;
  const items = [...menu.querySelectorAll(".menu-list :is(a, button)")];
  const step = event.key === "ArrowDown" ? 1 : -1;
  const next = items[(items.indexOf(document.activeElement) + step + items.length) % items.length];
  event.preventDefault();
  next?.focus();
}

export function startMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) {
      const inside = menu.contains(event.target);
      const chose = inside && event.target.closest(".menu-list :is(a, button):not([data-theme-choice])");
      if (!inside || chose) menu.open = false;
    }
  });
  document.addEventListener("focusout", (event) => {
    const menu = event.target.closest?.("details.menu[open]");
    if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") move(event);
  });
}
