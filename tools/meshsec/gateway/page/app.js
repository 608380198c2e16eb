// The live page of a mesh: reads the gateway it came from and draws what it says.

import { Cards, drawRelayers } from "./cards.js";
import { Feed, SLASHES } from "./feed.js";
import { Names, h, instant, milliseconds, paint, put } from "./format.js";
import { Graph } from "./graph.js";
import { Live } from "./live.js";
import { Packets } from "./packets.js";

const $ = (id) => document.getElementById(id);

const cards = new Cards($("chains"));
const graph = new Graph($("stage"), (name) => cards.choose(name));
const packets = new Packets(graph);
const feed = new Feed($("feed"), document.querySelectorAll(".choice button"), $("alarm"));

const QUIET = new Set(["block", "message", "update_client", "bank/transfer", "write_acknowledgement", "distribution/withdraw-rewards"]);

let names = null;
let denoms = {};
let glance = null;
let told = false;
let offset = null;
let missing = false;

const live = new Live({
  registry(value) {
    names = new Names(value);
    denoms = Object.fromEntries(Object.entries(value.chains).map(([name, chain]) => [name, chain.denom]));
    missing = value.links.some((link) => !link.provider_channel);
    const links = value.links.length;
    const chains = names.chains.length;
    put($("what"), "text", `${chains} ${chains === 1 ? "chain" : "chains"}, ${links} security ${links === 1 ? "link" : "links"}`);
    const entry = (kind, text) => h("li", {}, h("i", { class: kind }), h("span", { text }));
    $("legend").replaceChildren(
      ...names.chains.map((name) => paint(h("li", {}, h("i", { class: "dot" }), h("span", { text: name })), names.index(name))),
      entry("mark native", "native power"),
      entry("mark virtual", "lent power"),
    );
  },

  snapshot(value) {
    glance = value;
    if (!told) {
      for (const event of value.events) feed.add(event, names, denoms, false);
      told = true;
    }
    if (missing && value.links.some((link) => link.open)) live.registry().catch(() => {});
    draw();
  },

  clock(value) {
    offset = milliseconds(value.now) - Date.now();
    tick();
  },

  event(type, data) {
    if (type === "block") return block(data);
    if (type === "reset") reset(data);
    if (!QUIET.has(type)) live.soon();
    if (type === "gateway/silent") {
      Object.assign(glance.chains[data.chain], { up: false, ready: false, reasons: [data.reason] });
      draw();
    }
    if (type.startsWith("channel_open")) live.registry().catch(() => {});
    packets.event(type, data, names);
    feed.add({ type, ...data }, names, denoms);
    if (SLASHES.has(type)) {
      graph.shake(data.chain);
      cards.shake(data.chain);
    }
  },

  state(state) {
    put($("live"), "text", state === "live" ? "live" : "reconnecting");
    put($("live"), "data-state", state === "live" ? "good" : "warn");
    document.body.classList.toggle("stale", state !== "live");
  },
});

/** A height ticks. */
function block(data) {
  const chain = glance.chains[data.chain];
  const jump = Math.abs(milliseconds(data.time) - (Date.now() + (offset ?? 0)));
  if (offset !== null && data.time !== "0" && jump > 60000) live.clock();
  chain.height = data.height;
  if (BigInt(data.time) > BigInt(glance.time)) glance.time = data.time;
  if (!chain.up) live.soon();
  graph.tick(data.chain, data.height);
  cards.tick(data.chain, data.height);
  tick();
}

/** A chain went back: what was shown of its later blocks is void, and everything else is asked for again. */
function reset(data) {
  feed.forget(data.chain, data.height);
  packets.clear();
  block({ ...data, time: "0" });
  live.registry().catch(() => {});
  live.clock();
}

function draw() {
  graph.draw(glance, names);
  cards.draw(glance, names);
  drawRelayers($("relayers"), glance.relayers, names);
  packets.reconcile(glance.relayers, names);
  const chains = Object.values(glance.chains);
  const down = chains.filter((chain) => !chain.up).length;
  const unready = chains.filter((chain) => !chain.ready).length + glance.relayers.filter((relayer) => !relayer.ready).length;
  put($("health"), "text", down ? `${down} down` : unready ? `${unready} not ready` : "ready");
  put($("health"), "data-state", down ? "bad" : unready ? "warn" : "good");
  tick();
}

/** The mesh's clock; without one, the time of the latest block. */
function tick() {
  if (!glance) return;
  const now = offset === null ? milliseconds(glance.time) : Date.now() + offset;
  if (now === 0) return;
  put($("clock"), "text", `${instant(now)} UTC`);
  put($("clock"), "datetime", new Date(now).toISOString());
}

setInterval(tick, 1000);
setInterval(() => live.clock(), 15000);
live.start();
