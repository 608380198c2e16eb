"""A chain that knows prices tells them to others: time-weighted averages, over channels that anyone may open.

Market makers that the genesis names, and governance, say at what price a pair trades. A partner asks for the average of
the last time and gets it in the acknowledgement, so an answer is proven like any other.

Laws: an average lies between the lowest and the highest price of its window; a price counts exactly as long as it was in force.

Source: osmosis x/twap (arithmetic average); mesh-security contracts/provider/osmosis-price-provider.
"""

import msgspec

from meshsec_core.ibc.packet import result_acknowledgement
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import SECOND, Address
from meshsec_core.kernel.wire.ibc import Packet
from meshsec_core.runtime.authority import AUTHORITY
from meshsec_core.runtime.module import Ctx, Module, Msg, Port, View

BAD_PAIR = "prices/bad-pair"
BAD_PRICE = "prices/bad-price"
BAD_QUERY = "prices/bad-query"
BAD_VERSION = "prices/bad-version"
NOT_A_MAKER = "prices/not-a-maker"
NO_PRICE = "prices/no-price"
OPEN_INIT_DISALLOWED = "prices/open-init-disallowed"
CLOSE_DISALLOWED = "prices/close-disallowed"

PORT = "prices"
VERSION = "prices-1"

MOST_SAMPLES = 64
"""Changes of a price that are remembered; an average over a longer window starts at the oldest."""
MAX_PRICE = 2**128 - 1


class PricesGenesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may say at what price a pair trades, beside governance."""

    makers: tuple[Address, ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """A price that was in force from a moment on."""

    time: int
    """Nanoseconds."""
    price_e18: int
    total: int
    """Price × 10^18 × nanoseconds up to this moment."""


class Track(msgspec.Struct, frozen=True):
    """The prices of one pair, ascending in time."""

    samples: tuple[Sample, ...] = ()

    def set(self, time: int, price_e18: int) -> "Track":
        """Change the price."""
        if not self.samples:
            return Track((Sample(time, price_e18, 0),))
        kept = self.samples if self.samples[-1].time < time else self.samples[:-1]
        return Track((*kept, Sample(time, price_e18, self.total_at(time)))[-MOST_SAMPLES:])

    def total_at(self, time: int) -> int:
        """Return the total at a moment that is not before the first sample."""
        found = next((sample for sample in reversed(self.samples) if sample.time <= time), self.samples[0])
        return found.total + found.price_e18 * (time - found.time)

    def average(self, now: int, window: int) -> int:
        """Return the time-weighted average of the last `window` nanoseconds. Floor. The price itself if no time has passed."""
        start = max(now - window, self.samples[0].time)
        if start >= now:
            return self.samples[-1].price_e18
        return (self.total_at(now) - self.total_at(start)) // (now - start)


class Quote(Msg, frozen=True, tag="prices/Quote"):
    """Say at what price a pair trades from now on."""

    base: str
    """Denomination that is priced."""
    quote: str
    """Denomination in which it is priced."""
    price_e18: int
    """Base units of `quote` for one base unit of `base`, × 10^18."""


class QueryTwap(msgspec.Struct, frozen=True, tag_field="@type", tag="query_twap", forbid_unknown_fields=True):
    """The packet: what is the average price of a pair?"""

    base: str
    quote: str
    window: int
    """Seconds."""
    about: str = ""
    """The asker's own note, for the way back."""


class Twap(msgspec.Struct, frozen=True):
    """The answer."""

    time: int
    """Of the block that answered, nanoseconds."""
    price_e18: int


GENESIS: Item[PricesGenesis] = Item("prices/genesis", PricesGenesis)
TRACKS: Map[Track] = Map("prices/tracks", Track)
"""Hash of a pair to its prices."""


def pair_key(base: str, quote: str) -> str:
    """Return under which key a pair is kept.

    Raises:
        Rejected: `prices/bad-pair`.
    """
    if not (0 < len(base) <= 128 and 0 < len(quote) <= 128 and base != quote):
        raise Rejected(BAD_PAIR, base=base[:128], quote=quote[:128])
    return sha256(codec.encode([base, quote])).hex()


def quote(ctx: Ctx, msg: Quote) -> None:
    """Change a price.

    Raises:
        Rejected: `prices/not-a-maker`, `prices/bad-pair`, `prices/bad-price`.
    """
    if ctx.signer not in (*GENESIS.get(ctx.store).makers, ctx.module_account(AUTHORITY)):
        raise Rejected(NOT_A_MAKER, signer=ctx.signer)
    key = pair_key(msg.base, msg.quote)
    if not 0 < msg.price_e18 <= MAX_PRICE:
        raise Rejected(BAD_PRICE, price_e18=str(msg.price_e18)[:50])
    track = TRACKS.find(ctx.store, key) or Track()
    TRACKS.put(ctx.store, key, track.set(ctx.time, msg.price_e18))
    ctx.emit("prices/quote", base=msg.base, quote=msg.quote, price_e18=msg.price_e18)


def twap(store: Reader, now: int, asked: QueryTwap) -> Twap:
    """Return an average.

    Raises:
        Rejected: `prices/bad-pair`, `prices/bad-query`, `prices/no-price`.
    """
    key = pair_key(asked.base, asked.quote)
    if not 0 <= asked.window < 2**32:
        raise Rejected(BAD_QUERY, window=str(asked.window)[:50])
    track = TRACKS.find(store, key)
    if track is None:
        raise Rejected(NO_PRICE, base=asked.base, quote=asked.quote)
    return Twap(now, track.average(now, asked.window * SECOND))


def on_receive(ctx: Ctx, packet: Packet) -> bytes:
    """Answer a query.

    Raises:
        Rejected: `prices/bad-query`, and what `twap` refuses; becomes an error acknowledgement.
    """
    try:
        asked = codec.decode(packet.data, QueryTwap)
    except Rejected as refusal:
        raise Rejected(BAD_QUERY, detail=str(refusal)[:200]) from None
    return result_acknowledgement(codec.encode(twap(ctx.store, ctx.time, asked)))


def on_open_init(_ctx: Ctx, _ordering: str, _hop: str, port: str, _channel: str, _their_port: str, _version: str) -> str:
    """Refuse: who wants prices opens."""
    raise Rejected(OPEN_INIT_DISALLOWED, port=port)


def on_open_try(
    _ctx: Ctx, _ordering: str, _hop: str, _port: str, _channel: str, _their_port: str, _their_channel: str, version: str
) -> str:
    """Accept whoever speaks `prices-1`: prices are public."""
    if version != VERSION:
        raise Rejected(BAD_VERSION, version=version[:100], expected=VERSION)
    return VERSION


def on_open_ack(_ctx: Ctx, port: str, _channel: str, _their_channel: str, _version: str) -> None:
    """Refuse: this end never proposes."""
    raise Rejected(OPEN_INIT_DISALLOWED, port=port)


def on_close_init(_ctx: Ctx, port: str, _channel: str) -> None:
    """Refuse: who opened closes."""
    raise Rejected(CLOSE_DISALLOWED, port=port)


def _nothing(*_: object) -> None:
    """Nothing is to be done: this end only answers."""


def init(ctx: Ctx, genesis: PricesGenesis) -> None:
    """Write who may quote."""
    GENESIS.put(ctx.store, genesis)


def query_price(view: View, base: str, quote: str, window: str = "0") -> Twap:
    """Show the average price of a pair over the last `window` seconds; the last price for 0.

    Raises:
        Rejected: what `twap` refuses.
    """
    seconds = int(window) if window.isdecimal() and len(window) < 10 else -1
    return twap(view.store, view.time, QueryTwap(base, quote, seconds))


def query_makers(view: View) -> tuple[Address, ...]:
    """List who may quote, beside governance."""
    return GENESIS.get(view.store).makers


PRICES: Module[PricesGenesis] = Module(
    "prices",
    handlers={Quote: quote},
    genesis=PricesGenesis,
    init=init,
    ports={
        PORT: Port(
            on_open_init=on_open_init,
            on_open_try=on_open_try,
            on_open_ack=on_open_ack,
            on_open_confirm=_nothing,
            on_close_init=on_close_init,
            on_close_confirm=_nothing,
            on_receive=on_receive,
            on_acknowledge=_nothing,
            on_timeout=_nothing,
        )
    },
    queries={"price": query_price, "makers": query_makers},
    stores=("prices",),
)
"""Prices of what a chain trades, for whoever asks over IBC."""
