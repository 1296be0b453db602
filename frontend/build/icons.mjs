// Writes dist/icons.json, name → inner SVG, which the {% icon %} tag inlines: one colour, no request, no script.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const folder = path.join(path.dirname(createRequire(import.meta.url).resolve("lucide-static/package.json")), "icons");
const inner = (svg) => svg.replace(/<!--.*?-->|<svg[^>]*>|<\/svg>/gs, "").replace(/\s+/g, " ").replace(/ \/>/g, "/>").trim();
const icons = {};
for (const file of fs.readdirSync(folder).filter((name) => name.endsWith(".svg")).sort()) {
  icons[file.slice(0, -4)] = inner(fs.readFileSync(path.join(folder, file), "utf8"));
}
const target = new URL("../dist/icons.json", import.meta.url);
fs.writeFileSync(target, JSON.stringify(icons));
console.log(`dist/icons.json  ${Object.keys(icons).length} icons`);
