// Packets under way, drawn on the curves of the picture. The events of the chains move them; the relayers say which still wait.

import { paint, put, s } from "./format.js";

const LEG = 850;
const WAITS_AT = 0.52;
const BETWEEN = 24;
const FORGET = 9000;
const MOST = 80;
const NAMED = 3;

const TONE = { burn: "slash", "slash report": "slash", timeout: "slash", distribute: "reward", distribute_batch: "reward", transfer_rewards: "reward", transfer: "transfer", valset_update: "quiet" };
const LABEL = { valset_update: "validators", transfer_rewards: "rewards", distribute: "rewards", distribute_batch: "rewards", internal_unstake: "unstake" };

/** What a packet's data calls itself. */
function kindOf(hex) {
  try {
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const data = JSON.parse(new TextDecoder().decode(bytes));
    if (data.slashed?.length) return "slash report";
    return data["@type"] ?? ("denom" in data && "sender" in data ? "transfer" : "packet");
  } catch {
    return "packet";
  }
}

export class Packets {
  constructor(graph) {
    this.graph = graph;
    this.flying = new Map();
    this.running = false;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Follow one event of a chain. */
  event(type, data, names) {
    const a = data.attributes;
    if (!a?.packet_sequence) return;
    const here = [data.chain, a.packet_src_port, a.packet_src_channel];
    const there = names.ends.get(here.join("/"));
    switch (type) {
      case "send_packet":
        if (there) this.launch(this.key(here, a), here, there[0], kindOf(a.packet_data_hex), names);
        break;
      case "recv_packet": {
        const source = names.ends.get([data.chain, a.packet_dst_port, a.packet_dst_channel].join("/"));
        if (!source) break;
        const key = this.key(source, a);
        this.launch(key, source, data.chain, kindOf(a.packet_data_hex), names);
        this.flying.get(key).received = true;
        break;
      }
      case "acknowledge_packet":
        this.settle(this.key(here, a), "answered");
        break;
      case "timeout_packet":
        this.settle(this.key(here, a), "late");
        break;
    }
  }

  /** Show packets that were under way before this page looked, and forget those that no relayer knows any more. */
  reconcile(relayers, names, now = performance.now()) {
    const known = new Map(relayers.flatMap((relayer) => relayer.packets.map((packet) => [packet.id, packet])));
    for (const [id, packet] of known) {
      if (!this.flying.has(id) && packet.leg !== "ack") {
        this.launch(id, [packet.source, packet.port, packet.channel], packet.target, packet.kind, names);
        const found = this.flying.get(id);
        if (found) found.at = WAITS_AT - 0.2;
      }
      const found = this.flying.get(id);
      if (found) {
        found.waits = packet.waits_for;
        found.touched = now;
      }
    }
    for (const [id, packet] of this.flying) {
      if (!known.has(id) && now - packet.touched > FORGET) this.drop(id);
    }
    this.wake();
  }

  key([chain, port, channel], a) {
    return `${chain}:${port}:${channel}:${a.packet_sequence}`;
  }

  launch(key, [source, port], target, kind, names) {
    if (this.flying.has(key) || this.flying.size >= MOST) return;
    const lending = port === "mesh-provider" ? `${source}>${target}` : port === "mesh-consumer" ? `${target}>${source}` : "";
    const pair = this.graph.curves.has(`${source}|${target}`) ? `${source}|${target}` : `${target}|${source}`;
    const line = lending || pair;
    if (!this.graph.curves.has(line)) return;
    const back = line === `${target}>${source}` || line === `${target}|${source}`;
    const dot = s("circle", { r: 5.5 });
    const label = s("text", { text: LABEL[kind] ?? kind });
    const title = s("title", { text: `${kind}: ${source} to ${target}` });
    const group = s("g", { class: `packet is-${TONE[kind] ?? "stake"}` }, title, dot, label);
    paint(group, names.index(source));
    this.graph.packetLayer.append(group);
    const now = performance.now();
    this.flying.set(key, { group, dot, label, line, back, at: 0, received: false, end: "", returning: false, touched: now, waits: "" });
    this.wake();
  }

  settle(key, end) {
    const packet = this.flying.get(key);
    if (!packet) return;
    packet.end = end;
    packet.touched = performance.now();
    if (end === "late") packet.group.classList.add("is-slash");
    this.wake();
  }

  drop(key) {
    this.flying.get(key)?.group.remove();
    this.flying.delete(key);
  }

  /** Forget every packet: a chain has gone back, and the relayers say what is under way now. */
  clear() {
    for (const key of [...this.flying.keys()]) this.drop(key);
  }

  wake() {
    if (this.running || this.flying.size === 0) return;
    this.running = true;
    this.last = performance.now();
    requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    const step = Math.min(100, now - this.last) / LEG;
    this.last = now;
    const crowd = new Map();
    let moved = false;
    for (const [key, packet] of this.flying) {
      const index = crowd.get(packet.line) ?? 0;
      crowd.set(packet.line, index + 1);
      if (this.move(packet, step, index, now)) moved = true;
      if (packet.gone) this.drop(key);
      else this.show(packet, index);
    }
    this.running = moved;
    if (moved) requestAnimationFrame((next) => this.frame(next));
  }

  /** Bring a packet on its way: half way while nobody has received it, to the end, then back with the answer. */
  move(packet, step, index, now) {
    if (this.still.matches) {
      packet.at = WAITS_AT;
      packet.gone = packet.end !== "" && now - packet.touched > LEG;
      return packet.end !== "" && !packet.gone;
    }
    const curve = this.graph.curves.get(packet.line);
    if (!curve) return false;
    const late = packet.end === "late";
    const goal = packet.returning || late ? 0 : packet.received || packet.end ? 1 : Math.max(0.16, WAITS_AT - index * curve.share(BETWEEN));
    const left = goal - packet.at;
    packet.at += Math.sign(left) * Math.min(Math.abs(left), step * (goal < 1 && goal > 0 ? 0.35 + Math.abs(left) * 2 : 1));
    if (packet.at === goal) {
      if (goal === 0) packet.gone = true;
      else if (goal === 1 && packet.end) packet.returning = true;
      else return false;
    }
    return true;
  }

  show(packet, index) {
    const curve = this.graph.curves.get(packet.line);
    if (!curve) return;
    const t = packet.back ? 1 - packet.at : packet.at;
    const [x, y] = curve.at(t);
    const [dx, dy, anchor] = curve.beside(t, 10);
    put(packet.label, "x", dx.toFixed(1));
    put(packet.label, "y", dy.toFixed(1));
    put(packet.label, "text-anchor", anchor);
    packet.group.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    packet.group.classList.toggle("answer", packet.returning || (packet.at === 1 && packet.received));
    packet.group.classList.toggle("plain", index >= NAMED);
    packet.group.classList.toggle("held", packet.waits.includes("operator") || packet.waits.includes("paused"));
  }
}
