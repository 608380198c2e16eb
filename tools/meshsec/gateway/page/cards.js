// One card per chain: where it stands, what its power is made of, and who its validators are. And the relayers.

import { full, h, paint, percent, put, short } from "./format.js";

const tag = (text, kind, title) => h("span", { class: `tag is-${kind}`, text, title });

/** What has been broken on purpose, as it is ordered. */
const broken = (faults) =>
  faults.length ? h("p", { class: "broken", "aria-label": "Broken on purpose" }, ...faults.map((fault) => tag(fault, "fault", "Broken on purpose; meshsec heal ends it"))) : null;

/** A stacked bar: own power, then what others lend. */
function bar(own, lent, whole, home, names) {
  const total = Number(whole) || 1;
  const segment = (owner, amount, kind) => {
    const part = paint(h("i", { class: kind }), names.index(owner));
    part.style.setProperty("flex-basis", `${(100 * Number(amount)) / total}%`);
    return part;
  };
  const parts = Object.entries(lent).filter(([, amount]) => Number(amount) > 0);
  return h("div", { class: "stack", "aria-hidden": "true" }, segment(home, own, "native"), ...parts.map(([lender, amount]) => segment(lender, amount, "virtual")));
}

export class Cards {
  constructor(box) {
    this.box = box;
    this.cards = new Map();
  }

  draw(glance, names) {
    const count = names.chains.length;
    put(this.box, "data-columns", count < 4 ? "" : count % 4 === 0 || count > 6 ? "4" : "3");
    for (const name of names.chains) {
      if (!this.cards.has(name)) this.cards.set(name, this.make(name, names));
      this.show(name, glance.chains[name], names);
    }
  }

  make(name, names) {
    const parts = {
      state: h("span", { class: "pill" }),
      height: h("dd", { class: "number" }),
      mode: h("dd"),
      power: h("dd", { class: "number" }),
      body: h("div", { class: "body" }),
    };
    const fact = (label, value) => h("div", {}, h("dt", { text: label }), value);
    const title = h("h3", { id: `chain-${name}` }, h("i", { class: "dot" }), h("span", { text: name }));
    const card = h(
      "article",
      { class: "panel chain", tabindex: "-1", "aria-labelledby": `chain-${name}` },
      h("div", { class: "head" }, title, parts.state),
      h("dl", { class: "facts" }, fact("Height", parts.height), fact("Power", parts.power), fact("Blocks", parts.mode)),
      parts.body,
    );
    paint(card, names.index(name));
    this.box.append(card);
    return { card, ...parts };
  }

  show(name, chain, names) {
    const parts = this.cards.get(name);
    const state = chain.up ? (chain.ready ? "ready" : "not ready") : "down";
    put(parts.state, "text", state);
    put(parts.state, "data-state", state === "ready" ? "good" : state === "down" ? "bad" : "warn");
    this.tick(name, chain.height);
    put(parts.mode, "text", chain.block_mode || "–");
    put(parts.power, "text", full(chain.power));
    const key = JSON.stringify([chain.reasons, chain.faults, chain.validators, chain.virtual, chain.native]);
    if (parts.key === key) return;
    parts.key = key;
    parts.body.replaceChildren(
      ...(chain.reasons.length ? [h("p", { class: "why", text: chain.reasons.join("; ") })] : []),
      ...(chain.faults.length ? [broken(chain.faults)] : []),
      this.backing(name, chain, names),
      this.validators(name, chain, names),
    );
  }

  tick(name, height) {
    const parts = this.cards.get(name);
    if (parts) put(parts.height, "text", height === "0" ? "–" : full(height));
  }

  /** Where the chain's power comes from. */
  backing(name, chain, names) {
    const total = Number(chain.power) || 1;
    const row = (owner, amount, kind, label) =>
      h(
        "li",
        {},
        paint(h("i", { class: `swatch ${kind}` }), names.index(owner)),
        h("span", { text: label }),
        h("b", { class: "number", text: full(amount) }),
        h("span", { class: "number quiet", text: percent(Number(amount) / total) }),
      );
    const lent = Object.entries(chain.virtual).filter(([, amount]) => Number(amount) > 0);
    return h(
      "div",
      { class: "backing" },
      bar(chain.native, chain.virtual, chain.power, name, names),
      h("ul", { "aria-label": `What backs ${name}` }, row(name, chain.native, "native", "native"), ...lent.map(([lender, amount]) => row(lender, amount, "virtual", `lent by ${lender}`))),
    );
  }

  validators(name, chain, names) {
    const most = Math.max(1, ...chain.validators.map((validator) => Number(validator.power)));
    const rows = chain.validators.map((validator) => {
      const lent = Object.entries(validator.virtual).map(([lender, amount]) => `${full(amount)} lent by ${lender}`);
      const marks = [];
      if (validator.tombstoned) marks.push(tag("tombstoned", "bad", "It signed two blocks of one height and can never return"));
      else if (validator.jailed) marks.push(tag("jailed", "bad", "Out of the set until it asks to return"));
      else if (validator.status !== "bonded") marks.push(tag(validator.status, "warn", `${full(validator.tokens)} ${chain.denom} are staked with it`));
      const said = [`${full(validator.native)} native`, ...lent].join(", ");
      return h(
        "tr",
        { class: validator.power === "0" ? "out" : "" },
        h("th", { scope: "row" }, h("span", { text: validator.name }), ...marks),
        h("td", { class: "wide", title: said }, bar(validator.native, validator.virtual, most, name, names), h("span", { class: "unseen", text: said })),
        h("td", { class: "number", title: full(validator.power), text: short(validator.power) }),
      );
    });
    const table = h("table", { "aria-label": `Validators of ${name}` }, h("tbody", {}, ...rows));
    return h("div", { class: "scroll", tabindex: rows.length > 8 ? "0" : null }, table);
  }

  /** Bring a chain's card into view. */
  choose(name) {
    const parts = this.cards.get(name);
    if (!parts) return;
    parts.card.scrollIntoView({ behavior: "smooth", block: "nearest" });
    parts.card.focus({ preventScroll: true });
  }

  shake(name) {
    const card = this.cards.get(name)?.card;
    if (!card) return;
    card.classList.remove("struck");
    requestAnimationFrame(() => card.classList.add("struck"));
  }
}

/** The relayers and the packets that they carry. */
export function drawRelayers(box, relayers, names) {
  const key = JSON.stringify(relayers);
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(...relayers.map((relayer) => oneRelayer(relayer, names)));
}

function oneRelayer(relayer, names) {
  const [state, kind] = !relayer.up
    ? ["down", "bad"]
    : relayer.paused
      ? ["paused", "warn"]
      : !relayer.ready
        ? ["not ready", "warn"]
        : relayer.idle
          ? ["idle", "good"]
          : ["working", "good"];
  const pending = Number(relayer.pending);
  const rows = relayer.packets.map((packet) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("span", { text: packet.kind || "packet" }), h("span", { class: "quiet", text: ` ${packet.sequence}` })),
      h("td", {}, named(packet.source, names), h("span", { class: "quiet", text: " → " }), named(packet.target, names)),
      h("td", { text: packet.leg || "done" }),
      h("td", { class: "wide quiet", text: clipped([packet.waits_for, packet.error].filter(Boolean).join("; ")) }),
    ),
  );
  const head = h("tr", {}, ...["Packet", "Way", "Next", "Waits for"].map((text) => h("th", { scope: "col", text })));
  return h(
    "div",
    { class: "relayer" },
    h("p", {}, h("b", { text: relayer.id }), h("span", { class: "pill", "data-state": kind, text: state }), h("span", { class: "quiet", text: !relayer.up ? "" : pending === 0 ? "nothing in flight" : pending === 1 ? "1 packet in flight" : `${full(relayer.pending)} packets in flight` })),
    relayer.reasons.length ? h("p", { class: "why", text: relayer.reasons.join("; ") }) : null,
    broken(relayer.faults),
    rows.length ? h("div", { class: "scroll" }, h("table", { class: "packets", "aria-label": "Packets in flight" }, h("thead", {}, head), h("tbody", {}, ...rows))) : null,
  );
}

const named = (chain, names) => paint(h("span", { class: "chain", text: chain }), names.index(chain));

/** Hashes are for machines. */
const clipped = (text) => text.replace(/\b([0-9a-f]{8})[0-9a-f]{56}\b/g, "$1…");
