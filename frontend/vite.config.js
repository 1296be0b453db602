// Builds dist/ with the manifest that django-vite reads; every address in it is relative to /static/.
import { defineConfig } from "vite";
import tailwindcss from "@tailwindcss/vite";

export default defineConfig({
  base: "/static/",
  plugins: [tailwindcss()],
  build: {
    manifest: "manifest.json",
    outDir: "dist",
    emptyOutDir: true,
    // A data: font would need a wider policy than font-src 'self'.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      // One entry a kind of page: the letter editor is heavy, and loaded only where a letter is written.
      input: { app: "src/js/app.js", editor: "src/js/editor.js", style: "src/css/app.css" },
      // htmx carries an eval that allowEval:false and our policy both switch off.
      onLog: (level, log, handle) => log.code === "EVAL" || handle(level, log),
    },
  },
});
