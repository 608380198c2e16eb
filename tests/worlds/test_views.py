"""What a chain tells about power that was lent to it."""

from meshsec.world.sim import SimWorld


def test_every_set_says_which_part_of_each_power_is_lent_and_over_which_link() -> None:
    """Given alice lends 80 to juno/val-0
    When the power has arrived
    Then in every set of juno's history native and lent power add up, the native part never moved, and 80 came over the link
    """
    with SimWorld("pair") as world:
        start = world.juno.height
        world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "100000000"})
        stake = {"@type": "mesh/StakeRemote", "consumer": "juno", "validator": "juno/val-0", "amount": "80000000"}
        world.osmosis.send("alice", stake)
        world.settle()
        link = world.juno.get("/v1/mesh/links")["consumer"][0]["link"]
        sets = [world.juno.get(f"/v1/validators?height={height}")["validators"] for height in range(start, world.juno.height + 3)]
        assert {member["native"] for members in sets for member in members} == {"100000000"}
        for members in sets:
            for member in members:
                assert int(member["power"]) == int(member["native"]) + sum(map(int, member["virtual"].values()))
        assert {member["name"]: member["virtual"] for member in sets[-1]} == {
            "val-0": {link: "80000000"},
            "val-1": {},
            "val-2": {},
            "val-3": {},
        }
