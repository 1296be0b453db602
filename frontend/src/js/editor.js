// The entry of pages with a letter in work: the source as a real editor over its <textarea>, which stays what is sent.
// Every word comes from the page; without script the textarea is the editor.
import { autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { html } from "@codemirror/lang-html";
import { jinja } from "@codemirror/lang-jinja";
import { bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { look, highlighting } from "./editor_look.js";

const setWrongLine = StateEffect.define();
const wrongLine = StateField.define({
  create: () => Decoration.none,
  update(marks, transaction) {
    marks = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(setWrongLine)) continue;
      const { doc } = transaction.state;
      const line = effect.value >= 1 && effect.value <= doc.lines ? doc.line(effect.value) : null;
      marks = line ? Decoration.set([Decoration.line({ class: "cm-wrong" }).range(line.from)]) : Decoration.none;
    }
    return marks;
  },
  provide: (field) => EditorView.decorations.from(field),
});

// Field names after {{ or within {% if …; nothing else is offered, so that nothing pops up over plain writing.
function offerFields(names) {
  return (context) => {
    const word = context.matchBefore(/\{[{%][^{}]*?([\w]*)$/);
    if (!word) return null;
    const typed = context.matchBefore(/\w*$/);
    if (!typed.text && !context.explicit && !/\{\{ ?$/.test(word.text)) return null;
    return { from: typed.from, options: names.map((label) => ({ label, type: "variable" })), validFor: /^\w*$/ };
  };
}

// Writing over a selection is done here: the browser would keep its look with inline styles, which our policy refuses.
const overwrite = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const isPlain = event.inputType === "insertText" && event.data !== null && !event.isComposing && !view.composing;
    if (!isPlain || view.state.selection.main.empty) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

const fieldNames = (textarea) => [...new Set((textarea.dataset.fields ?? "").match(/[A-Za-z_]\w*(?= or | \}\})/g) ?? [])];

function editorOver(textarea) {
  const write = EditorView.updateListener.of((update) => {
    if (!update.docChanged) return;
    textarea.value = update.state.doc.toString();
    textarea.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const view = new EditorView({
    state: EditorState.create({
      doc: textarea.value,
      extensions: [
        EditorView.cspNonce.of(textarea.dataset.nonce),
        lineNumbers(), highlightSpecialChars(), history(), indentOnInput(), bracketMatching(), highlightActiveLine(),
        EditorView.lineWrapping,
        jinja({ base: html({ autoCloseTags: false, matchClosingTags: false }) }),
        autocompletion({ override: [offerFields(fieldNames(textarea))], icons: false }),
        highlighting.map((style) => syntaxHighlighting(style)), look, wrongLine, write, overwrite,
        // Tab is not bound: it leaves the editor, as it leaves every other field.
        keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
        EditorView.contentAttributes.of({
          "aria-label": textarea.dataset.label, spellcheck: "false", autocapitalize: "off", autocorrect: "off",
        }),
      ],
    }),
  });
  textarea.after(view.dom);
  textarea.hidden = true;
  textarea.tabIndex = -1;
  // Coming back by the history button, the browser fills the textarea in after us.
  addEventListener("pageshow", () => {
    if (textarea.value !== view.state.doc.toString()) replaceAll(view, textarea.value);
  });
  return view;
}

function replaceAll(view, text) {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
}

// What is put in has its "…" chosen, so that the next key writes over it.
function chosenWithin(text, from) {
  const place = text.indexOf("…");
  return place < 0 ? { anchor: from + text.length } : { anchor: from + place, head: from + place + 1 };
}

function insertInto(target, text) {
  if (target instanceof EditorView) {
    const { from, to } = target.state.selection.main;
    target.dispatch({ changes: { from, to, insert: text }, selection: chosenWithin(text, from), scrollIntoView: true });
  } else {
    const from = target.selectionStart;
    target.setRangeText(text, from, target.selectionEnd, "end");
    const { anchor, head } = chosenWithin(text, from);
    target.setSelectionRange(anchor, head ?? anchor);
    target.dispatchEvent(new Event("input", { bubbles: true }));
  }
  target.focus();
}

function replaceFirst(view, written, better) {
  const from = view.state.doc.toString().indexOf(written);
  if (from < 0) return;
  view.dispatch({
    changes: { from, to: from + written.length, insert: better },
    selection: chosenWithin(better, from), scrollIntoView: true,
  });
  view.focus();
}

function goToLine(view, number) {
  const line = view.state.doc.line(Math.min(Math.max(1, number), view.state.doc.lines));
  view.dispatch({ selection: { anchor: line.from, head: line.to }, scrollIntoView: true });
  view.focus();
}

function start(textarea) {
  const form = textarea.form;
  const view = editorOver(textarea);
  const text = form.querySelector('[data-pane="text"] textarea');
  const tabs = [...form.querySelectorAll("[data-tab]")];
  let shown = "html";

  function show(part) {
    shown = part;
    for (const pane of form.querySelectorAll("[data-pane]")) pane.hidden = pane.dataset.pane !== part;
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.tab === part));
  }

  function choose(part) {
    show(part);
    const other = document.getElementById("reader-part");
    if (other && other.dataset.part !== part) other.click();
  }

  form.classList.add("is-scripted");
  form.querySelector("[data-editor-tabs]").hidden = false;
  form.querySelector("[data-editor-label]").hidden = true;
  show(tabs.find((tab) => tab.getAttribute("aria-pressed") === "true")?.dataset.tab ?? "html");

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-tab], [data-insert], [data-to-line], [data-replace]");
    if (!button) return;
    const { tab, insert, insertText, toLine, replace } = button.dataset;
    if (tab) choose(tab);
    else if (insert) insertInto(shown === "html" ? view : text, shown === "html" ? insert : insertText);
    else {
      show("html");
      if (toLine) goToLine(view, Number(toLine));
      else replaceFirst(view, replace, button.dataset.with);
    }
  });

  const mark = () => view.dispatch({ effects: setWrongLine.of(Number(document.querySelector("[data-wrong-line]")?.dataset.wrongLine ?? 0)) });
  document.addEventListener("htmx:oobAfterSwap", mark);
  mark();
}

// A choice made in the panel holds from the click on: a refresh after a save, which overtakes its reply, asks for the
// same reader, part and width.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (!detail.elt.matches("#reader a[hx-get]")) return;
  const asked = new URL(detail.path, location.href).searchParams;
  for (const input of document.querySelectorAll('#reader input[type="hidden"][form="step"]')) {
    input.value = asked.get(input.name) ?? "";
  }
});

document.querySelectorAll("textarea[data-code]").forEach(start);
