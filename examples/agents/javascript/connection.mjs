// A connection as docs/protocol.md has it, with the variables that "myriad keys agent" prints, or without any on one machine.

import { readFileSync } from "node:fs";
import { connect, nkeyAuthenticator } from "@nats-io/transport-node";

/** What is wrong, and what to do about it: for people, without a trace. */
export class Problem extends Error {}

/** The contents of the file that a variable names, undefined if it is not set. */
function file(variable) {
  const path = process.env[variable];
  if (!path) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Problem(`${variable}: ${error.message}`);
  }
}

function isLoopback(server) {
  let name;
  try {
    name = new URL(server.includes("://") ? server : `nats://${server}`).hostname;
  } catch {
    throw new Problem(`MYRIAD_NATS_URL needs the form nats://host:port, not ${server}`);
  }
  return name === "localhost" || name === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(name);
}

/** The options for connect. */
function options() {
  const servers = (process.env.MYRIAD_NATS_URL || "nats://127.0.0.1:4222").split(",").map((s) => s.trim());
  const [ca, seed, inboxPrefix] = [file("MYRIAD_NATS_CA"), file("MYRIAD_NATS_NKEY"), process.env.MYRIAD_NATS_INBOX];
  const secure = ca !== undefined || servers.some((s) => s.startsWith("tls://"));
  if (!(secure && seed) && !servers.every(isLoopback)) {
    throw new Problem("a server on another machine needs a tls:// URL, MYRIAD_NATS_CA and MYRIAD_NATS_NKEY: see myriad keys agent --help");
  }
  if (seed && !(inboxPrefix && process.env.MYRIAD_RUN)) {
    throw new Problem("with MYRIAD_NATS_NKEY, set MYRIAD_NATS_INBOX and MYRIAD_RUN too: myriad keys agent prints them");
  }
  return {
    servers,
    maxReconnectAttempts: -1,
    ...(secure && { tls: { ca } }),
    ...(seed && { authenticator: nkeyAuthenticator(new TextEncoder().encode(seed.toString().trim())), inboxPrefix }),
  };
}

/** What to do about an error of the client. */
function advice(error) {
  const text = `${error.message} ${error.cause?.message ?? ""} ${error.code ?? ""}`;
  if (/authorization|authentication/i.test(text)) {
    return "the server does not know this user: check MYRIAD_NATS_NKEY; myriad keys agent makes one, and a nats-server has to read it (--signal reload)";
  }
  if (/nkey|seed|checksum|base32/i.test(text)) return "MYRIAD_NATS_NKEY is no file with the seed of a user";
  if (/does not support 'tls'/i.test(text)) return "the server has no TLS: it is not the one that was meant, or use a nats:// URL on this machine";
  if (/certificate|altnames|SELF_SIGNED/i.test(text)) return "set MYRIAD_NATS_CA to ca.pem of the server's keys, and use a name that its certificate is valid for";
  return "is the server there? see MYRIAD_NATS_URL";
}

/** Connects. Throws a Problem if that fails. */
export async function connected() {
  const wanted = options();
  try {
    return await connect(wanted);
  } catch (error) {
    throw new Problem(`${wanted.servers.join(",").replace(/\/\/[^/@,]*@/g, "//")}: ${error.message}; ${advice(error)}`);
  }
}
