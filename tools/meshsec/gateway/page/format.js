// Small things that every view needs: elements, numbers, times, the names behind addresses.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(Boolean));
  return node;
}

/** Make an HTML element. */
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** Make an SVG element. */
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Set an attribute or text only when it changes, so that nothing flickers or is read out twice. */
export function put(node, name, value) {
  if (name === "text") {
    if (node.textContent !== value) node.textContent = value;
  } else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

const UNITS = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];

/** 1080000000 reads 1.08 B. */
export function short(amount) {
  const number = Number(amount);
  for (const [unit, letter] of UNITS) {
    if (Math.abs(number) >= unit) return `${trimmed(number / unit)} ${letter}`;
  }
  return String(number);
}

const trimmed = (number) => String(Number(number.toPrecision(number >= 100 ? 4 : 3)));

/** 80000000 reads 80,000,000. */
export const full = (amount) => {
  try {
    return BigInt(amount).toLocaleString("en");
  } catch {
    return String(amount);
  }
};

/** A share such as 0.0196 reads 1.96 %. */
export const percent = (share) => `${Number((100 * share).toPrecision(3))} %`;

/** Nanoseconds, as text, to milliseconds. */
export const milliseconds = (nanoseconds) => Number(BigInt(nanoseconds) / 1000000n);

/** 2025-01-22 10:04:05 */
export const instant = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");

const HUES = [265, 62, 165, 325, 120, 225, 295, 92, 195, 348];

/** Give an element a chain's colour: its hue as a property from which the style makes a light and a dark one. */
export function paint(node, index) {
  if (index < 0) return node;
  node.style.setProperty("--hue", HUES[index % HUES.length]);
  node.style.setProperty("--shade", index < HUES.length ? 1 : 0.72);
  return node;
}

/** What people call addresses, operators and channels of this mesh. */
export class Names {
  constructor(registry) {
    this.chains = registry.order;
    this.known = new Map();
    this.homes = new Map();
    this.ends = new Map();
    for (const key of registry.keys) {
      for (const [chain, address] of Object.entries(key.addresses)) {
        this.known.set(address, key.name);
        this.homes.set(address, chain);
      }
    }
    for (const chain of Object.values(registry.chains)) {
      for (const validator of chain.validators) {
        this.known.set(validator.operator, validator.name);
        this.known.set(validator.address, validator.name);
      }
    }
    for (const path of registry.paths) {
      for (const channel of path.open.channels) {
        this.ends.set(`${path.a}/${channel.port_a}/${channel.channel_a}`, [path.b, channel.port_b, channel.channel_b]);
        this.ends.set(`${path.b}/${channel.port_b}/${channel.channel_b}`, [path.a, channel.port_a, channel.channel_a]);
      }
    }
  }

  index(chain) {
    return this.chains.indexOf(chain);
  }

  /** alice, juno/val-0, or a shortened address. */
  of(address) {
    if (!address) return "";
    return this.known.get(address) ?? (address.length > 24 ? `${address.slice(0, 10)}…${address.slice(-4)}` : address);
  }

  /** The chain that an address of a development key is of. */
  home(address) {
    return this.homes.get(address);
  }

  /** The chain at the other end of a channel, or the channel's own name while it is not known. */
  across(chain, port, channel) {
    return this.ends.get(`${chain}/${port}/${channel}`)?.[0] ?? channel;
  }
}
