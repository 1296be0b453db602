// How the editor looks: the product's own colours, which follow the theme by themselves.
import { jinjaLanguage } from "@codemirror/lang-jinja";
import { HighlightStyle } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

export const look = EditorView.theme({
  "&": { color: "var(--ink-2)", backgroundColor: "transparent", fontSize: "12.5px", minHeight: "0" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--font-mono)", lineHeight: "20px", overflow: "auto" },
  ".cm-content": { padding: "14px 16px 14px 0", caretColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--ink-3)", border: "0", paddingLeft: "8px" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 10px 0 6px", minWidth: "30px" },
  ".cm-activeLine": { backgroundColor: "color-mix(in oklab, var(--sunken) 55%, transparent)" },
  "&:not(.cm-focused) .cm-activeLine": { backgroundColor: "transparent" },
  ".cm-wrong": { backgroundColor: "var(--failed-s)", boxShadow: "inset 2px 0 0 var(--failed)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "none" },
  "&:not(.cm-focused) .cm-matchingBracket": { backgroundColor: "transparent" },
  "& ::selection": { backgroundColor: "color-mix(in oklab, var(--accent) 26%, transparent)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", border: "1px solid var(--line)", borderRadius: "8px", boxShadow: "var(--shadow-2)", overflow: "hidden" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--font-mono)", maxHeight: "220px" },
  ".cm-tooltip-autocomplete ul li": { padding: "4px 10px", color: "var(--ink-2)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--ink)" },
  "@media (max-width: 860px)": { "&": { fontSize: "16px" }, ".cm-scroller": { lineHeight: "24px" } },
});

const quiet = { color: "var(--ink-3)" };
const placeholder = { color: "var(--unconfirmed-t)", fontWeight: "550" };

// What is filled in for each reader stands out; the HTML around it keeps to itself.
export const highlighting = [
  HighlightStyle.define([
    { tag: [tags.tagName, tags.angleBracket], color: "var(--sent-t)" },
    { tag: [tags.attributeValue, tags.propertyName], color: "var(--ink)" },
    { tag: [tags.comment, tags.documentMeta, tags.processingInstruction], ...quiet },
  ]),
  HighlightStyle.define([
    { tag: [tags.brace, tags.paren, tags.squareBracket, tags.separator, tags.operator, tags.keyword, tags.variableName, tags.propertyName, tags.string, tags.number, tags.bool], ...placeholder },
    { tag: tags.comment, ...quiet },
  ], { scope: jinjaLanguage }),
];
