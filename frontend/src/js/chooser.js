// Rows that can be chosen: says how many are, also when they came later or the whole finding is meant.
const boxes = () => [...document.querySelectorAll('input[name="chosen"]')];

function count() {
  const shown = document.querySelector("[data-chosen-count]");
  if (!shown) return;
  const all = document.querySelector("[data-choose-everybody]");
  const chosen = boxes().filter((box) => box.checked).length;
  shown.textContent = all?.checked ? all.dataset.chooseEverybody : String(chosen);
  const head = document.querySelector('[data-choose-all="chosen"]');
  if (head) {
    head.checked = chosen > 0 && chosen === boxes().length;
    head.indeterminate = chosen > 0 && !head.checked;
  }
}

export function startChooser() {
  document.addEventListener("change", (event) => {
    if (event.target.matches('[name="chosen"], [data-choose-all], [data-choose-everybody]')) count();
  });
  document.addEventListener("htmx:afterSettle", count);
  addEventListener("pageshow", count);
}
