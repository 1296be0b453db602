// Sends one personalised letter to each recipient through nodemailer's pool; prints one line of JSON.
// node send.mjs HOST PORT CONNECTIONS LETTER.json RECIPIENTS.json
import fs from "node:fs";
import nodemailer from "nodemailer";

const [host, port, connections, letterFile, recipientsFile] = process.argv.slice(2);
const letter = JSON.parse(fs.readFileSync(letterFile, "utf8"));
const recipients = JSON.parse(fs.readFileSync(recipientsFile, "utf8"));

const pool = nodemailer.createTransport({
  host,
  port: Number(port),
  secure: false,
  ignoreTLS: true,
  pool: true,
  maxConnections: Number(connections),
  maxMessages: Infinity,
});

const fill = (text, values) => text.replace(/@@(\w+)@@/g, (_, name) => values[name]);

function message({ email, first_name, last_name, number }) {
  // Every link of a letter differs by recipient, as ours do; a number in place of a signature costs this side less.
  const values = { first_name, token: String(number).padStart(letter.token_length, "0") };
  const to = `${first_name} ${last_name}`.trim();
  return {
    envelope: { from: fill(letter.return_path, values), to: email },
    from: letter.from,
    to: to ? { name: to, address: email } : email,
    subject: fill(letter.subject, values),
    messageId: `<${number}.${letter.run}@${letter.domain}>`,
    headers: Object.fromEntries(Object.entries(letter.headers).map(([name, value]) => [name, fill(value, values)])),
    text: fill(letter.text, values),
    html: fill(letter.html, values),
    textEncoding: "quoted-printable",
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

const milestones = new Set([0.1, 0.5, 1].map((share) => Math.ceil(recipients.length * share)));
const memory = [];
let sent = 0;
let failed = 0;
let next = 0;
const started = process.hrtime.bigint();

async function lane() {
  while (next < recipients.length) {
    try {
      await pool.sendMail(message(recipients[next++]));
      sent += 1;
    } catch {
      failed += 1;
    }
    if (milestones.has(sent + failed)) memory.push(process.memoryUsage.rss());
  }
}

// Twice as many letters under way as connections, so that none of them ever waits for the next letter.
await Promise.all(Array.from({ length: 2 * Number(connections) }, lane));
const seconds = Number(process.hrtime.bigint() - started) / 1e9;
pool.close();
console.log(JSON.stringify({ sent, failed, seconds, memory }));
