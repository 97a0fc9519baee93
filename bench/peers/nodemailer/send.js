// node send.js PORT LETTER.json CONTACTS.csv: a message to each contact, over ten pooled connections.
import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";

const CONNECTIONS = 10;
const [port, letterFile, contactsFile] = process.argv.slice(2);
const letter = JSON.parse(readFileSync(letterFile, "utf8"));
const [header, ...rows] = readFileSync(contactsFile, "utf8").trim().split("\n");
const columns = header.split(",");

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (value) => value.replace(/[&<>"']/g, (found) => ESCAPES[found]);
const filled = (text, values, as = (value) => value) => text.replace(/\$(\w+)/g, (_, name) => as(values[name]));

const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port: Number(port),
  secure: false,
  ignoreTLS: true,
  pool: true,
  maxConnections: CONNECTIONS,
  maxMessages: Infinity,
});

let next = 0;
async function sendOn() {
  while (next < rows.length) {
    const cells = rows[next++].split(",");
    const values = Object.fromEntries(columns.map((name, index) => [name, cells[index]]));
    values.unsubscribe_url = `${letter.public_url}/u/${values.id}`;
    values.postal_address = letter.postal_address;
    await transport.sendMail({
      from: letter.sender,
      to: values.email,
      subject: filled(letter.subject, values),
      text: filled(letter.text, values),
      html: filled(letter.html, values, escaped),
      headers: {
        "List-Unsubscribe": `<${values.unsubscribe_url}>`,
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
      },
    });
  }
}

// Two at a time for each connection, so that none waits for its next message.
await Promise.all(Array.from({ length: 2 * CONNECTIONS }, sendOn));
transport.close();
