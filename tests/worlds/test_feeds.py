"""A price that comes over IBC from a market that the mesh file names."""

from meshsec import SimWorld, mesh
from meshsec_core.ibc.prices import Quote
from meshsec_sdk import mesh_yaml

HALF = 5 * 10**17


def test_a_price_feed_of_the_mesh_file_prices_the_stake_from_the_first_quote_on() -> None:
    """Given juno asks axelar, every ten minutes, what a uosmo is worth, and nobody there has said it
    When axelar's market maker quotes one half, and then a quarter
    Then alice's 80 million count for nothing, for 40 million and for 20 million
    """
    spec = mesh_yaml.loads(
        "chains: {osmosis: , juno: , axelar: {params: {prices: {makers: [carol]}}}}\n"
        "links: [{provider: osmosis, consumer: juno,"
        " feed: {market: axelar, base: uosmo, quote: ujuno, window: 1s, period: 10m, ttl: 1h}}]\n"
    )
    with SimWorld(spec) as world:
        alice = world.osmosis.user("alice")
        alice.send(mesh.Bond(100_000_000), mesh.StakeRemote("juno", "juno/val-0", 80_000_000))  # type: ignore[arg-type]
        world.settle()
        before = int(world.juno.find_validator("val-0")["power"])
        seen = []
        for price in (HALF, HALF // 2):
            world.axelar.user("carol").send(Quote("uosmo", "ujuno", price))
            world.advance("11m")
            world.settle()
            seen.append(int(world.juno.find_validator("val-0")["power"]) - before)
        assert seen == [40_000_000, 20_000_000]
