// Takes addresses of sponsors out of package-lock.json, so that the lock names no host at all; `npm run lock`.
import fs from "node:fs";

const lock = JSON.parse(fs.readFileSync("package-lock.json", "utf8"));
for (const entry of Object.values(lock.packages)) {
  delete entry.funding;
  delete entry.resolved;
}
fs.writeFileSync("package-lock.json", JSON.stringify(lock, null, 2) + "\n");
