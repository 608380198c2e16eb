// What happened, in sentences: one per kind of event that says something to people.

import { full, h, paint } from "./format.js";

const KEEP = 120;
const PROVIDER = "mesh-provider";
const CONSUMER = "mesh-consumer";

const coins = (amount, denom) => `${full(amount)} ${denom}`;

/** Coins that have arrived; the sender's chain tells of the same packet once more when it is acknowledged. */
function received(a, here) {
  if (a.success !== "true" || !here.mine(a.receiver)) return null;
  return a.denom === here.denom
    ? `the escrow pays ${coins(a.amount, a.denom)} to ${here.who(a.receiver)}`
    : `${here.who(a.receiver)} receives ${full(a.amount)} vouchers of another chain's coin`;
}

/** type: [group, (attributes, here) => sentence, or null if it is not worth one]; `here` knows the chain's name and coin, and the names of the mesh. */
const SENTENCES = {
  "mesh/bond": ["stake", (a, here) => `${here.who(a.user)} bonds ${coins(a.amount, here.denom)} in the vault`],
  "mesh/unbond": ["stake", (a, here) => `${here.who(a.user)} takes ${coins(a.amount, here.denom)} out of the vault`],
  "mesh/stake-local": ["stake", (a, here) => `${here.who(a.user)} stakes ${coins(a.amount, here.denom)} of the vault with ${here.who(a.validator)}`],
  "mesh/unstake-local": ["stake", (a, here) => `${here.who(a.user)} unstakes ${coins(a.amount, here.denom)} from ${here.who(a.validator)}`],
  "mesh/stake-remote": ["stake", (a, here) => `${here.who(a.user)} lends ${coins(a.amount, here.denom)} to ${here.who(a.validator)}`],
  "mesh/stake-committed": ["stake", (a, here) => `${here.borrower(a.consumer)} counts ${coins(a.amount, here.denom)} of ${here.who(a.user)} for ${here.who(a.validator)}`],
  "mesh/stake-rolled-back": ["fault", (a, here) => `${here.borrower(a.consumer)} did not take ${coins(a.amount, here.denom)} of ${here.who(a.user)}; the lien is released`],
  "mesh/unstake": ["stake", (a, here) => `${here.who(a.user)} asks back ${coins(a.amount, here.denom)} from ${here.who(a.validator)}`],
  "mesh/unstake-committed": ["stake", (a, here) => `${coins(a.amount, here.denom)} of ${here.who(a.user)} unbonds from ${here.who(a.validator)}`],
  "mesh/unstake-rolled-back": ["fault", (a, here) => `${here.borrower(a.consumer)} did not release ${coins(a.amount, here.denom)} of ${here.who(a.user)}`],
  "mesh/withdraw-unbonded": ["stake", (a, here) => `${here.who(a.user)} has ${coins(a.amount, here.denom)} back from ${here.borrower(a.consumer)}`],
  "mesh/internal-unstake": ["stake", (a, here) => `${here.borrower(a.consumer)} gives ${coins(a.amount, here.denom)} back to ${here.who(a.user)}`],
  "mesh/virtual-stake": ["stake", (a, here) => `${here.who(a.validator)} ${a.change.startsWith("-") ? "loses" : "gains"} ${full(a.change.replace("-", ""))} virtual stake from ${here.lender(a.link)}`],
  "mesh/virtual-stake-refused": ["fault", (a, here) => `an epoch could not change ${here.who(a.validator)} by ${full(a.change)}: ${a.code}`],
  "mesh/rewards-sent": ["stake", (a, here) => `${coins(a.amount, here.denom)} of rewards set aside for ${here.lender(a.link)}`],
  "mesh/withdraw-rewards": ["stake", (a, here) => `${here.who(a.user)} claims ${full(a.amount)} of rewards from ${here.borrower(a.consumer)}`],
  "mesh/rewards-paid": ["stake", (a, here) => `${here.borrower(a.consumer)} has paid ${here.who(a.user)} ${full(a.amount)} of rewards`],
  "mesh/link-open": ["stake", (a, here) => `the link ${a.side === "provider" ? `to ${here.name(a.chain)}` : `from ${here.name(a.chain)}`} is open`],
  "mesh/fault": ["slash", (a, here) => `${a.kind} of ${here.who(a.validator)} is charged here`],
  "mesh/fault-settled": ["slash", (a, here) => (a.amount === "0" ? null : `${a.kind} of ${here.who(a.validator)} costs its lenders here ${coins(a.amount, here.denom)}`)],
  "mesh/slash": ["slash", (a, here) => `${here.who(a.user)} loses ${coins(a.amount, here.denom)} of collateral; ${full(a.collateral)} left`],
  "mesh/cut": ["slash", (a, here) => `${full(a.amount)} of ${here.who(a.user)} is no longer lent ${a.link === "local" ? "here" : `to ${here.borrower(a.link)}`}`],
  "mesh/virtual-slashed": ["slash", (a, here) => `${full(a.amount)} virtual stake of ${here.lender(a.link)} on ${here.who(a.validator)} is slashed`],
  "staking/slash": ["slash", (a, here) => `${here.who(a.validator)} is slashed by ${coins(a.tokens, here.denom)} for ${a.reason}`],
  "staking/jail": ["fault", (a, here) => `${here.who(a.validator)} is jailed`],
  "staking/unjail": ["stake", (a, here) => `${here.who(a.validator)} is out of jail`],
  "staking/tombstone": ["fault", (a, here) => `${here.who(a.validator)} is tombstoned and can never return`],
  "staking/create-validator": ["stake", (a) => `${a.name} becomes a validator`],
  "staking/no-candidates": ["fault", (a) => `no validator is left to elect; the last ${a.kept} stay`],
  "client_misbehaviour": ["fault", (a) => `${a.client_id} is frozen: its chain has two histories`],
  "timeout_packet": ["fault", (a, here) => `packet ${a.packet_sequence} of ${a.packet_src_channel} to ${here.across(a.packet_src_port, a.packet_src_channel)} has timed out`],
  "recover_client": ["fault", (a) => `governance has decided: ${a.subject_client_id} lives again`],
  "fungible_token_packet": ["transfer", (a, here) => received(a, here)],
  "ibc_transfer": ["transfer", (a, here) => `${here.who(a.sender)} sends ${coins(a.amount, a.denom)} to ${here.who(a.receiver)}`],
  "channel_close_init": ["fault", (a) => `${a.channel_id} is closed`],
  "channel_close_confirm": ["fault", (a) => `${a.channel_id} is closed`],
  "reset": ["reset", (a) => `goes back to block ${full(a.height)}: what came after it has not happened`],
  "pruned": ["reset", (a) => `has forgotten block ${full(a.height)} and all before it`],
  "gateway/silent": ["fault", (a) => `does not answer (${a.reason})`],
  "gateway/heard": ["stake", () => "answers again"],
};

/** Kinds that shake the picture, and which chain's. */
export const SLASHES = new Set(["staking/slash", "mesh/fault", "mesh/slash", "mesh/virtual-slashed", "client_misbehaviour"]);

export class Feed {
  constructor(list, buttons, alarm) {
    this.list = list;
    this.alarm = alarm;
    this.seen = new Set();
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        list.dataset.show = button.dataset.show;
      });
    }
    list.dataset.show = "all";
    this.rest();
  }

  /** Say that there is nothing yet. */
  rest() {
    this.list.replaceChildren(h("li", { class: "nothing", text: "Nothing yet. Bond, lend, send or break something." }));
  }

  /** Forget what a chain told of blocks above a height: it has gone back. */
  forget(chain, height) {
    for (const line of [...this.list.children]) {
      if (line.dataset.chain === chain && BigInt(line.dataset.height) > BigInt(height)) line.remove();
    }
  }

  /** Add what happened; returns whether it was worth a line. */
  add(data, names, denoms, fresh = true) {
    const found = SENTENCES[data.type];
    if (!found) return false;
    const [group, say] = found;
    const here = {
      denom: denoms[data.chain] ?? "",
      who: (address) => names.of(address),
      mine: (address) => names.home(address) === data.chain,
      name: (id) => names.chains.find((chain) => id === chain || id === `${chain}-1`) ?? id,
      borrower: (link) => names.across(data.chain, PROVIDER, link),
      lender: (link) => names.across(data.chain, CONSUMER, link),
      across: (port, channel) => names.across(data.chain, port, channel),
    };
    const sentence = say(data.attributes ?? data, here);
    if (!sentence) return false;
    this.list.querySelector(".nothing")?.remove();
    const where = data.height ? `${data.chain} ${full(data.height)}` : data.chain;
    const chain = paint(h("span", { class: "chain", text: where }), names.index(data.chain));
    const place = { "data-chain": data.chain, "data-height": data.height ?? "0" };
    this.list.prepend(h("li", { class: `is-${group}${fresh ? " fresh" : ""}`, ...place }, chain, h("span", { text: sentence })));
    while (this.list.children.length > KEEP) this.list.lastElementChild.remove();
    if (fresh && group === "slash") this.alarm.textContent = `${data.chain}: ${sentence}`;
    return true;
  }
}

