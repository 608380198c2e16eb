// Keeps the page in step with the mesh: one stream of events, and snapshots now and then. Both come back by themselves.

const POLL = 2500;
const SOON = 220;
const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 5000;
const SILENCE = 40000;

const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function json(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(15000) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

export class Live {
  /**
   * @param handlers registry(value), snapshot(value), event(type, data), clock(value), state("live" | "reconnecting")
   */
  constructor(handlers) {
    this.on = handlers;
    this.cursor = "";
    this.due = 0;
    this.timer = null;
  }

  async start() {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        await this.registry();
        await this.snapshot();
        break;
      } catch {
        this.on.state("reconnecting");
        await rest(pause);
      }
    }
    this.clock();
    this.listen();
    this.poll();
  }

  /** Read chains, keys and channels again: channels open after the first look. */
  async registry() {
    this.on.registry(await json("registry"));
  }

  async snapshot() {
    const value = await json("v1/mesh");
    this.cursor ||= value.cursor;
    this.on.snapshot(value);
  }

  async clock() {
    try {
      this.on.clock(await json("v1/clock"));
    } catch {
      // The chains' header times are shown instead.
    }
  }

  /** Take a snapshot soon: something happened that changes more than a height. */
  soon() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.snapshot().catch(() => {});
    }, SOON);
  }

  async poll() {
    for (;;) {
      await rest(document.hidden ? 4 * POLL : POLL);
      await this.snapshot().catch(() => {});
    }
  }

  async listen() {
    for (let pause = FIRST_PAUSE; ; ) {
      try {
        await this.stream(() => {
          pause = FIRST_PAUSE;
          this.on.state("live");
        });
      } catch {
        // Whatever broke the stream, the next one goes on from the last id.
      }
      this.on.state("reconnecting");
      await rest(pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  }

  async stream(heard) {
    const giveUp = new AbortController();
    let watch = setTimeout(() => giveUp.abort(), SILENCE);
    const answer = await fetch(`v1/events?since=${encodeURIComponent(this.cursor)}`, { cache: "no-store", signal: giveUp.signal });
    if (answer.status === 400) this.cursor = "";
    if (!answer.ok) throw new Error(`events: ${answer.status}`);
    heard();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(watch);
        watch = setTimeout(() => giveUp.abort(), SILENCE);
        const blocks = (text + value).split("\n\n");
        text = blocks.pop();
        for (const block of blocks) this.take(block);
      }
    } finally {
      clearTimeout(watch);
    }
  }

  take(block) {
    let type = "", data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("id: ")) this.cursor = line.slice(4);
      else if (line.startsWith("event: ")) type = line.slice(7);
      else if (line.startsWith("data: ")) data = line.slice(6);
    }
    if (data) this.on.event(type, JSON.parse(data));
  }
}
