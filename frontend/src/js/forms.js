// Small courtesies of forms: sent once, saved on change where asked, commands copied, all rows chosen at once.
function onSubmit(event) {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("form[data-once]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
}

async function copy(button) {
  const text = button.closest(".cmd")?.querySelector("code")?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text.trim());
    button.setAttribute("aria-label", button.dataset.copied);
    button.title = button.dataset.copied;
  } catch {
    getSelection().selectAllChildren(button.closest(".cmd").querySelector("code"));
  }
}

export function startForms() {
  document.addEventListener("submit", onSubmit);
  // Coming back by the history button must not find a form that can never be sent again.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
  document.addEventListener("change", (event) => {
    const control = event.target;
    if (control.matches("[data-submit]")) control.form.requestSubmit();
    if (control.matches("[data-choose-all]")) {
      for (const box of document.querySelectorAll(`input[name="${control.dataset.chooseAll}"]`)) box.checked = control.checked;
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    if (event.target.closest("[data-print]")) print();
  });
}
