// The mesh as a picture: chains on a circle, rings of power, curved arrows from those who lend to those who borrow.

import { full, paint, put, s, short } from "./format.js";

const GAP = 7;
const HEAD = 9;
const MARGIN = 26;

const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];
const length = (v) => Math.hypot(v[0], v[1]) || 1;
const along = (from, to, distance) => {
  const v = minus(to, from);
  const l = length(v);
  return [from[0] + (v[0] / l) * distance, from[1] + (v[1] / l) * distance];
};
const round = (p) => `${p[0].toFixed(1)} ${p[1].toFixed(1)}`;

/** A quadratic curve between two chains; the way back bends to the other side. */
class Curve {
  constructor(a, b, bend, radius, head) {
    const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const v = minus(b, a);
    const l = length(v);
    this.control = [middle[0] + (-v[1] / l) * bend, middle[1] + (v[0] / l) * bend];
    this.from = along(a, this.control, radius + GAP);
    this.to = along(b, this.control, radius + GAP + head);
  }

  at(t) {
    const u = 1 - t;
    return [0, 1].map((i) => u * u * this.from[i] + 2 * u * t * this.control[i] + t * t * this.to[i]);
  }

  /** Where a text stands so far off the curve, on its outer side: [x, y, anchor]. */
  beside(t, distance) {
    const v = minus(this.to, this.from);
    const l = length(v);
    const [x, y] = [-v[1] / l, v[0] / l];
    const anchor = x > 0.45 ? "start" : x < -0.45 ? "end" : "middle";
    return [x * distance, y * (distance + 2) + 4, anchor];
  }

  /** What part of the curve so many pixels are. */
  share(pixels) {
    return pixels / length(minus(this.to, this.from));
  }

  get path() {
    return `M${round(this.from)}Q${round(this.control)} ${round(this.to)}`;
  }

  /** A triangle at the end. */
  get head() {
    const v = minus(this.to, this.control);
    const l = length(v);
    const [x, y] = [v[0] / l, v[1] / l];
    const tip = [this.to[0] + x * HEAD, this.to[1] + y * HEAD];
    const left = [this.to[0] - y * HEAD * 0.5, this.to[1] + x * HEAD * 0.5];
    const right = [this.to[0] + y * HEAD * 0.5, this.to[1] - x * HEAD * 0.5];
    return `M${round(tip)}L${round(left)}L${round(right)}Z`;
  }
}

/** Where chains stand, in pixels: a hub in the middle of its star, everybody else on an ellipse that fills the room. */
function places(chains, pairs, width, height, radius) {
  const degree = (name) => pairs.filter((pair) => pair.includes(name)).length;
  const star = chains.length > 3 && pairs.length === chains.length - 1;
  const hub = star ? chains.find((name) => degree(name) === chains.length - 1) : undefined;
  const around = chains.filter((name) => name !== hub);
  const start = around.length === 2 ? Math.PI : around.length === 4 ? -0.75 * Math.PI : -Math.PI / 2;
  const round = around.map((_, index) => start + (2 * Math.PI * index) / around.length);
  const xs = round.map(Math.cos);
  const ys = round.map(Math.sin);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const high = Math.max(0, height - 2 * radius - 2 * MARGIN);
  const flat = bottom - top < 0.1;
  const wide = Math.min(width - 2 * radius - 2 * MARGIN, flat ? 640 : 1.9 * high);
  const found = new Map();
  around.forEach((name, index) => {
    const x = width / 2 + wide * ((xs[index] - left) / (right - left || 1) - 0.5);
    const y = height / 2 + (flat ? 0 : high * ((ys[index] - top) / (bottom - top) - 0.5));
    found.set(name, [x, y]);
  });
  if (hub) found.set(hub, [width / 2, height / 2]);
  return found;
}

export class Graph {
  constructor(stage, onChoose) {
    this.stage = stage;
    this.onChoose = onChoose;
    this.svg = s("svg", { role: "group", "aria-label": "Chains and the security they lend to each other" });
    this.pairLayer = s("g", { class: "pairs" });
    this.linkLayer = s("g", { class: "links" });
    this.packetLayer = s("g", { class: "packets", "aria-hidden": "true" });
    this.nodeLayer = s("g", { class: "nodes" });
    this.svg.append(this.pairLayer, this.linkLayer, this.nodeLayer, this.packetLayer);
    stage.append(this.svg);
    this.nodes = new Map();
    this.links = new Map();
    this.pairs = new Map();
    this.curves = new Map();
    new ResizeObserver(() => this.arrange()).observe(stage);
  }

  /** Draw a snapshot. */
  draw(glance, names) {
    this.glance = glance;
    this.names = names;
    for (const name of names.chains) {
      if (!this.nodes.has(name)) this.nodes.set(name, this.makeNode(name));
    }
    for (const [a, b] of glance.pairs) {
      if (this.pairs.has(`${a}|${b}`)) continue;
      const line = s("path");
      this.pairLayer.append(line);
      this.pairs.set(`${a}|${b}`, { a, b, line });
    }
    for (const link of glance.links) {
      const key = `${link.provider}>${link.consumer}`;
      if (!this.links.has(key)) this.links.set(key, this.makeLink(link));
    }
    if (!this.size) this.arrange();
    for (const [name, chain] of Object.entries(glance.chains)) this.showNode(name, chain);
    for (const link of glance.links) this.showLink(link);
  }

  makeNode(name) {
    const parts = {
      ring: s("g", { class: "ring" }),
      name: s("text", { class: "name", text: name }),
      height: s("text", { class: "height", text: "–" }),
      power: s("text", { class: "power" }),
      shock: s("circle", { class: "shock" }),
      plate: s("circle", { class: "plate" }),
      pulse: s("circle", { class: "pulse" }),
      focus: s("circle", { class: "focus" }),
    };
    const group = s("g", { class: "node", tabindex: "0", role: "button", "data-chain": name });
    group.append(parts.shock, parts.pulse, parts.plate, parts.ring, parts.focus, parts.name, parts.height, parts.power);
    paint(group, this.names.index(name));
    const choose = () => this.onChoose(name);
    group.addEventListener("click", choose);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose();
      }
    });
    this.nodeLayer.append(group);
    return { group, ...parts };
  }

  makeLink(link) {
    const parts = {
      line: s("path", { class: "line" }),
      head: s("path", { class: "head" }),
      label: s("text", { class: "label" }),
      title: s("title"),
    };
    const group = s("g", { class: "link" }, parts.title, parts.line, parts.head, parts.label);
    paint(group, this.names.index(link.provider));
    this.linkLayer.append(group);
    return { group, ...parts };
  }

  /** Lay everything out for the room there is. */
  arrange() {
    if (!this.glance) return;
    const chains = this.names.chains;
    const width = Math.max(280, Math.floor(this.stage.clientWidth));
    const narrow = width < 560;
    const shape = chains.length === 2 ? (narrow ? 0.62 : 0.46) : narrow ? 1 : 0.68;
    const height = Math.round(Math.max(230, Math.min(560, width * shape)));
    const many = Math.max(0, chains.length - 2);
    const radius = Math.round(Math.max(23, Math.min(86 - 7 * many, width / (6.2 + 1.8 * many))));
    this.svg.classList.toggle("dense", narrow && this.glance.links.length > 8);
    this.size = { width, height, radius };
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    const spots = places(chains, this.glance.pairs, width, height, radius);
    for (const [name, node] of this.nodes) {
      const spot = spots.get(name);
      node.group.setAttribute("transform", `translate(${round(spot)})`);
      for (const [part, r] of [["plate", radius - 5], ["shock", radius], ["pulse", radius], ["focus", radius + 6]]) {
        node[part].setAttribute("r", r);
      }
      const small = radius < 46;
      node.group.classList.toggle("small", small);
      node.name.style.fontSize = `${Math.max(10, Math.min(15, radius / 3.1))}px`;
      node.name.setAttribute("y", small ? -3 : -14);
      node.height.setAttribute("y", small ? 11 : 7);
      node.power.setAttribute("y", 27);
    }
    this.curves.clear();
    for (const pair of this.pairs.values()) {
      const curve = new Curve(spots.get(pair.a), spots.get(pair.b), 0, radius, 0);
      this.curves.set(`${pair.a}|${pair.b}`, curve);
      pair.line.setAttribute("d", curve.path);
    }
    for (const link of this.glance.links) {
      const [a, b] = [spots.get(link.provider), spots.get(link.consumer)];
      const bend = Math.max(20, Math.min(64, 0.16 * length(minus(b, a))));
      this.curves.set(`${link.provider}>${link.consumer}`, new Curve(a, b, bend, radius, HEAD));
      this.showLink(link);
    }
    for (const [name, chain] of Object.entries(this.glance.chains)) this.showNode(name, chain);
  }

  showNode(name, chain) {
    const node = this.nodes.get(name);
    if (!this.size) return;
    const power = Number(chain.power);
    put(node.power, "text", power ? `power ${short(chain.power)}` : "");
    this.showRing(node.ring, chain, name);
    const state = chain.up ? (chain.ready ? "ready" : "unready") : "down";
    if (chain.up) this.tick(name, chain.height, false);
    else put(node.height, "text", "down");
    put(node.group, "data-state", state);
    const lent = Object.entries(chain.virtual).map(([lender, amount]) => `${full(amount)} lent by ${lender}`);
    const said = [`${name}, ${state === "ready" ? `height ${chain.height}` : [state, ...chain.reasons].join(": ")}`];
    said.push(`power ${full(chain.power)}`, ...lent);
    put(node.group, "aria-label", said.join("; "));
  }

  /** The share of each lender in a chain's power; what is lent is never too small to be seen. */
  showRing(ring, chain, name) {
    const total = Number(chain.power);
    const lent = Object.entries(chain.virtual).filter(([, amount]) => Number(amount) > 0);
    const shares = lent.map(([lender, amount]) => [lender, Math.max(2.2, (100 * Number(amount)) / total)]);
    const own = Math.max(0, 100 - shares.reduce((sum, [, share]) => sum + share, 0));
    const key = JSON.stringify([this.size.radius, total > 0, own, shares]);
    if (ring.dataset.key === key) return;
    ring.dataset.key = key;
    const radius = this.size.radius - 2.5;
    const arc = (owner, start, share, kind) =>
      paint(
        s("circle", {
          class: kind,
          r: radius,
          pathLength: 100,
          "stroke-dasharray": `${share} ${100 - share}`,
          "stroke-dashoffset": -start,
          transform: "rotate(-90)",
        }),
        this.names.index(owner),
      );
    const gap = shares.length ? 0.8 : 0;
    const arcs = total ? [arc(name, 0, Math.max(0, own - gap), "native")] : [];
    let start = own;
    for (const [lender, share] of shares) {
      arcs.push(arc(lender, start, share - gap, "virtual"));
      start += share;
    }
    ring.replaceChildren(s("circle", { class: "track", r: radius }), ...arcs);
  }

  /** Show a new height. */
  tick(name, height, beat = true) {
    const node = this.nodes.get(name);
    if (!node || node.height.textContent === `#${height}`) return;
    put(node.height, "text", height === "0" ? "–" : `#${height}`);
    if (beat && node.pulse.animate && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      node.pulse.animate([{ opacity: 0.55, transform: "scale(1)" }, { opacity: 0, transform: "scale(1.16)" }], { duration: 620, easing: "ease-out" });
    }
  }

  /** Flash red: stake has burnt here. */
  shake(name) {
    const node = this.nodes.get(name);
    if (!node) return;
    node.group.classList.add("struck");
    clearTimeout(node.timer);
    node.timer = setTimeout(() => node.group.classList.remove("struck"), 4200);
  }

  showLink(link) {
    const parts = this.links.get(`${link.provider}>${link.consumer}`);
    const curve = this.curves.get(`${link.provider}>${link.consumer}`);
    if (!parts || !curve) return;
    const lent = Number(link.virtual || 0);
    const asked = Number(link.lent || 0);
    const cap = Number(link.max_cap) || 1;
    put(parts.line, "d", curve.path);
    put(parts.head, "d", curve.head);
    put(parts.line, "stroke-width", (lent ? 2 + 4 * Math.sqrt(Math.min(1, lent / cap)) : 1.4).toFixed(2));
    parts.group.classList.toggle("open", link.open);
    parts.group.classList.toggle("lending", lent > 0 || asked > 0);
    const [x, y] = curve.at(0.78);
    const [dx, dy, anchor] = curve.beside(0.78, 11);
    put(parts.label, "x", (x + dx).toFixed(1));
    put(parts.label, "y", (y + dy).toFixed(1));
    put(parts.label, "text-anchor", anchor);
    put(parts.label, "text", asked || lent ? short(link.lent) : "");
    const said = link.open ? `lends ${full(link.lent)} to ${link.consumer}, where it counts ${full(link.virtual)} of at most ${full(link.max_cap)}` : `may lend to ${link.consumer}; the channel is not open`;
    put(parts.title, "text", `${link.provider} ${said}`);
  }
}
