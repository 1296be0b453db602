"""Asks axe-core what a page does to people who cannot see it, point at it or tell its colours apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
# A letter's preview is the author's work and stands in a sandbox where nothing may run.
_RUN = """async (rules) => {
  const only = rules.length ? {type: 'rule', values: rules}
    : {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']};
  const found = await axe.run(document, {iframes: false, resultTypes: ['violations'], runOnly: only});
  return found.violations.map(v => ({rule: v.id, impact: v.impact, help: v.help,
    nodes: v.nodes.map(n => n.html.slice(0, 160) + ' :: ' + (n.any[0]?.message ?? n.all[0]?.message ?? ''))}));
}"""


def bring(context: BrowserContext) -> None:
    """Put axe into every page of a context, past the pages' own policy, which allows no script but ours."""
    assert SOURCE.is_file(), "axe-core is missing: run scripts/setup, or npm ci in frontend/"
    context.add_init_script(path=SOURCE)


def grave(page: Page, *rules: str) -> list[str]:
    """Return what axe calls serious or critical, one line each; with rules, only theirs."""
    found: list[dict[str, Any]] = page.evaluate(_RUN, list(rules))
    return [
        f"{one['impact']} {one['rule']}: {one['help']}: {one['nodes'][0]} ({len(one['nodes'])})"
        for one in found
        if one["impact"] in GRAVE
    ]
