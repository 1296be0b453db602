// The sidebar as a drawer on small screens; without script the menu link still opens it by its address.
let opener = null;

const side = () => document.getElementById("side");

export function closeDrawer() {
  const drawer = side();
  if (!drawer?.classList.contains("open")) return false;
  drawer.classList.remove("open");
  document.getElementById("page").inert = false;
  opener?.focus();
  opener = null;
  return true;
}

export function startDrawer() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-drawer]");
    if (link && side()) {
      event.preventDefault();
      opener = link;
      side().classList.add("open");
      document.getElementById("page").inert = true;
      side().querySelector("a, button, summary")?.focus();
    } else if (event.target.closest("[data-scrim]")) {
      if (closeDrawer()) event.preventDefault();
    }
  });
  matchMedia("(min-width: 861px)").addEventListener("change", () => closeDrawer());
}
