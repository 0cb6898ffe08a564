// An agent of Myriad in JavaScript, written against docs/protocol.md with nothing but the official NATS client. It plays
// guess two thirds: it thinks that the others are one step ahead of the crowd, and goes one step further.
//
//   node agent.mjs [host] [name]        MYRIAD_NATS_URL=nats://127.0.0.1:4222
//
// On a broker with keys it takes the variables that "myriad keys agent" prints: see connection.mjs.

import { randomUUID } from "node:crypto";
import { headers } from "@nats-io/transport-node";
import { connected, Problem } from "./connection.mjs";

const [host = "js-1", name = "alice"] = process.argv.slice(2);
const keptAnswers = 10_000; // per run

/** An error with a code of the protocol. */
class Refusal extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

/** What the agent knows, by run. */
const runs = new Map();

function memoryOf(run) {
  if (!runs.has(run)) runs.set(run, { heard: [], guesses: [], answers: new Map() });
  return runs.get(run);
}

/** The messages of a request. */
function read(request) {
  const [type] = (request.headers?.get("Content-Type") ?? "").split(";");
  if (type.trim() !== "application/json") throw new Refusal("bad-request", "this agent reads JSON only");
  let list;
  try {
    const text = request.string();
    list = text === "" ? [] : [JSON.parse(text)].flat();
  } catch (error) {
    throw new Refusal("bad-request", `not JSON: ${error.message}`);
  }
  for (const m of list) {
    if (m === null || typeof m !== "object" || Array.isArray(m)) throw new Refusal("bad-request", "not a message");
    if ((m.v ?? 1) !== 1) throw new Refusal("bad-request", `a message of version ${m.v}, this agent reads 1`);
    if (m.placeholder) throw new Refusal("bad-request", "this agent takes no promises");
  }
  return list;
}

/** The second step from what the crowd said last: best answer to those who give the best answer to the crowd. */
function guess(list, { min = 0, max = 100 }) {
  const text = list.map((m) => String(m.content ?? "")).join("\n");
  const [, over, under] = text.match(/(\d+)\/(\d+) of the average/) ?? [null, 2, 3];
  const ratio = over / under;
  const targets = [...text.matchAll(/target of the last round was (-?\d+(?:\.\d+)?)/g)];
  const crowd = targets.length > 0 ? Number(targets.at(-1)[1]) / ratio : (min + max) / 2;
  return Math.min(max, Math.max(min, Number((ratio * ratio * crowd).toFixed(2))));
}

function say(content) {
  return { v: 1, id: randomUUID(), name, role: "assistant", content, timestamp: new Date().toISOString() };
}

/** Answers messages. The last one of a seat's has metadata that say what is asked. */
function answer(memory, list, remember) {
  const asked = list.at(-1)?.metadata ?? {};
  if (asked.answer?.type !== "number") {
    if (remember) memory.heard.push(...list.map((m) => m.content ?? null));
    return say(`I am ${name}, and have made ${memory.guesses.length} guesses.`);
  }
  const number = guess(list, asked.answer);
  if (remember) memory.guesses.push({ round: asked.round, question: asked.question, guess: number });
  return say(number);
}

const verbs = {
  reply: (memory, list) => answer(memory, list, true),
  interview: (memory, list) => answer(memory, list, false),
  observe: (memory, list) => {
    memory.heard.push(...list.map((m) => m.content ?? null));
    return { v: 1 };
  },
  state: (memory) => say({ heard: memory.heard, guesses: memory.guesses }),
};

/** Does what a request asks for, or finds what it came to before. */
function handle(request) {
  const [, , run, , , , verb] = request.subject.split(".");
  const memory = memoryOf(run);
  try {
    const list = read(request);
    if (!Object.hasOwn(verbs, verb)) throw new Refusal("bad-request", `verb ${verb}`);
    const deadline = request.headers.get("Myriad-Deadline");
    if (deadline !== "" && !(Date.now() <= Number(deadline))) throw new Refusal("deadline", "not done by its deadline");
    const id = verb === "reply" || verb === "observe" ? request.headers.get("Myriad-Request-Id") : "";
    if (id !== "" && memory.answers.has(id)) return memory.answers.get(id);
    const out = { message: verbs[verb](memory, list) };
    if (id !== "") memory.answers.set(id, out);
    if (memory.answers.size > keptAnswers) memory.answers.delete(memory.answers.keys().next().value);
    return out;
  } catch (error) {
    return { error };
  }
}

/** Sends an answer, if somebody wants one. */
function respond(request, { message, error }) {
  if (!request.reply) return;
  const about = headers();
  about.set("Content-Type", "application/json");
  if (error) {
    about.set("Myriad-Error", error.message.replace(/\s+/g, " "));
    about.set("Myriad-Error-Code", error.code ?? "failed");
    message = { v: 1, name, role: "system", content: error.message };
  }
  const payload = new TextEncoder().encode(JSON.stringify(message));
  if (payload.length > nc.info.max_payload - 4096) {
    respond(request, { error: new Refusal("too-large", `an answer of ${payload.length} bytes`) });
  } else {
    request.respond(payload, { headers: about });
  }
}

/** A text as one part of a subject. */
function encode(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const part = bytes.map((b) => (/[\w-]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : `=${b.toString(16).toUpperCase().padStart(2, "0")}`));
  return part.join("") || "=";
}

/** Set once there is a connection. */
let nc;

/** Serves until it is told to stop. Throws if the server does not let it, or does not any more. */
async function serve() {
  nc = await connected();
  const run = process.env.MYRIAD_RUN ? encode(process.env.MYRIAD_RUN) : "*";
  const requests = nc.subscribe(`myriad.run.${run}.code.${encode(host)}.${encode(name)}.*`);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => nc.drain());
  await nc.flush(); // a refusal comes before the answer to this
  const refused = await Promise.race([requests.closed, new Promise((done) => setImmediate(done))]);
  if (refused) throw new Problem(`${refused.message}; this needs the user of the run and of the host ${host}: myriad keys agent --help`);
  console.log(`${name} of ${host} listens on ${requests.getSubject()}`);

  // One request at a time, in the order in which they come: nothing in handle waits.
  for await (const request of requests) respond(request, handle(request));
  const error = await nc.closed();
  if (error) throw new Problem(`the server ended the connection: ${error.message}`);
}

try {
  await serve();
} catch (error) {
  console.error(error instanceof Problem ? `error: ${error.message}` : error);
  process.exit(1);
}
