"""The live page in a real browser, in front of a real pair of chains: it shows what happens, and survives what dies."""

import os
import re
import shutil
import signal
from collections.abc import Iterator

import pytest

from meshsec import mesh
from meshsec.world.process import ProcessWorld
from meshsec.world.ways import channel_to, denom_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Browser, Page, expect = sync_api.Browser, sync_api.Page, sync_api.expect

expect.set_options(timeout=15_000)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def world() -> Iterator[ProcessWorld]:
    with ProcessWorld("pair") as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, world: ProcessWorld) -> Iterator[Page]:
    """Open the page, and accept no error of its scripts and no request to anybody else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    home = world.home.running().endpoints.gateway
    errors: list[str] = []
    strangers: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: None if request.url.startswith(home) else strangers.append(request.url))
    opened.goto(home)
    expect(opened.locator("#live")).to_have_text("live")
    yield opened
    context.close()
    assert (errors, strangers) == ([], [])


def card(page: Page, chain: str) -> sync_api.Locator:
    return page.locator("article", has=page.locator(f"#chain-{chain}"))


def validator(page: Page, chain: str, name: str) -> sync_api.Locator:
    return card(page, chain).locator("tr", has_text=name)


def node(page: Page, chain: str) -> sync_api.Locator:
    return page.locator(f".node[data-chain={chain}]")


def test_heights_tick_without_a_reload(page: Page, world: ProcessWorld) -> None:
    world.mine(3)
    height = world.juno.height
    expect(node(page, "juno").locator(".height")).to_have_text(re.compile(f"#{height}|#{height + 1}"))
    expect(page.locator("#health")).to_have_text("ready")
    expect(page.locator("#what")).to_have_text("2 chains, 2 security links")


def test_the_page_tells_a_story_of_lent_stake_and_a_double_sign_as_it_runs(page: Page, world: ProcessWorld) -> None:
    """Given the page is open
    When alice lends 80 million to juno/val-0, and it signs twice
    Then power, ring, link, feed and validator list show first the loan and then the loss, on both chains
    """
    alice = world.osmosis.user("alice")
    alice.send(mesh.Bond(200_000_000))
    alice.send(mesh.StakeRemote("juno", "juno/val-0", 80_000_000))
    feed = page.locator("#feed")
    expect(feed).to_contain_text("alice lends 80,000,000 uosmo to juno/val-0")
    expect(feed).to_contain_text("juno counts 80,000,000 uosmo of alice for juno/val-0")
    expect(card(page, "juno")).to_contain_text("lent by osmosis")
    expect(card(page, "juno").locator(".backing")).to_contain_text("80,000,000")
    expect(validator(page, "juno", "val-0").locator(".stack .virtual")).to_have_count(1)
    expect(validator(page, "juno", "val-1").locator(".stack .virtual")).to_have_count(0)
    expect(node(page, "juno").locator(".ring .virtual")).to_have_count(1)
    expect(node(page, "juno")).to_have_attribute("aria-label", re.compile("80,000,000 lent by osmosis"))
    expect(page.locator(".link.lending .label")).to_have_text("80 M")

    world.fault("double-sign", "juno/val-0")
    world.mine(2)
    expect(page.locator(".node.struck")).not_to_have_count(0)
    expect(feed.locator(".is-slash").first).to_be_visible()
    expect(feed).to_contain_text("double-sign of juno/val-0 costs its lenders here 4,000,000 uosmo")
    expect(feed).to_contain_text("alice loses 4,000,000 uosmo of collateral; 196,000,000 left")
    expect(page.locator("#alarm")).not_to_be_empty()
    expect(validator(page, "juno", "val-0")).to_contain_text("tombstoned")
    expect(node(page, "juno").locator(".ring .virtual")).to_have_count(0)


def test_coins_that_leave_and_come_home_are_told_where_they_arrive(page: Page, world: ProcessWorld) -> None:
    """Given alice sends 700 uosmo to bob of juno; when he sends them home, then the escrow pays, and neither is told twice."""
    feed = page.locator("#feed")
    there, back = channel_to(world.osmosis, "juno"), channel_to(world.juno, "osmosis")
    order = {"@type": "transfer/Transfer", "channel": there, "denom": "uosmo", "amount": "700"}
    world.osmosis.send("alice", {**order, "receiver": world.juno.user("bob").address})
    world.settle()
    expect(feed).to_contain_text("bob receives 700 vouchers of another chain's coin")
    voucher = denom_of(world.juno, "osmosis/uosmo")
    world.juno.send("bob", {**order, "channel": back, "denom": voucher, "receiver": world.osmosis.user("alice").address})
    world.settle()
    expect(feed).to_contain_text("the escrow pays 700 uosmo to alice")
    expect(feed.locator("li", has_text="receives 700")).to_have_count(1)
    expect(feed.locator("li", has_text="the escrow pays")).to_have_count(1)


@pytest.mark.slow
def test_a_mesh_that_goes_back_is_shown_as_it_was_without_a_reload(page: Page, world: ProcessWorld) -> None:
    """Given the page shows a loan, a later loss of the validator, and a packet that is held
    When the mesh goes back to the moment after the loan
    Then the loss and the packet have never been, powers are those of then, and the page was not loaded again
    """
    world.osmosis.user("dave").send(mesh.Bond(50_000_000))
    world.osmosis.user("dave").send(mesh.StakeRemote("juno", "juno/val-2", 30_000_000))
    world.settle()
    world.snapshot("lent")
    height = world.juno.height
    feed, power = page.locator("#feed"), validator(page, "juno", "val-2").locator(".stack .virtual")
    expect(power).to_have_count(1)
    page.evaluate("window.kept = true")
    for _ in range(2):
        world.relayer("hold", {"kind": "stake"})
        world.osmosis.user("dave").send(mesh.StakeRemote("juno", "juno/val-3", 1_000_000))
        expect(page.locator(".packet", has_text="stake")).to_have_count(1)
        world.fault("double-sign", "juno/val-2")
        world.mine(3)
        expect(feed).to_contain_text("dave loses 1,500,000 uosmo of collateral")
        expect(power).to_have_count(0)
        world.revert("lent")
        expect(feed).not_to_contain_text("dave loses")
        expect(feed).to_contain_text(f"goes back to block {height}")
        expect(feed).to_contain_text("dave lends 30,000,000 uosmo to juno/val-2")
        expect(power).to_have_count(1)
        expect(page.locator(".packet")).to_have_count(0)
    assert page.evaluate("window.kept") is True
    expect(page.locator("#live")).to_have_text("live")


def test_packets_fly_between_the_chains_and_wait_where_they_are_held(page: Page, world: ProcessWorld) -> None:
    world.relayer("hold", {"kind": "stake"})
    alice = world.osmosis.user("alice")
    alice.send(mesh.StakeRemote("juno", "juno/val-1", 10_000_000))
    packet = page.locator(".packet")
    expect(packet).to_have_count(1)
    expect(packet.locator("text")).to_have_text("stake")
    expect(page.locator("#relayers")).to_contain_text("held by an operator")
    expect(packet).to_have_class(re.compile("held"))
    page.reload()
    expect(page.locator(".packet text")).to_have_text("stake")
    world.relayer("release", {"kind": "stake"})
    expect(page.locator(".packet")).to_have_count(0)
    expect(page.locator("#relayers")).to_contain_text("nothing in flight")


def test_what_happened_before_the_page_was_opened_is_told_and_can_be_narrowed(page: Page, world: ProcessWorld) -> None:
    world.osmosis.user("bob").send(mesh.Bond(7_000_000))
    page.reload()
    line = page.locator("#feed li", has_text="bob bonds 7,000,000 uosmo in the vault")
    expect(line).to_be_visible()
    page.get_by_role("button", name="Faults").click()
    expect(line).to_be_hidden()
    page.get_by_role("button", name="All").click()
    expect(line).to_be_visible()


def test_a_chain_that_dies_is_shown_dead_and_alive_again(page: Page, world: ProcessWorld) -> None:
    os.kill(world.home.running().children["juno"], signal.SIGKILL)
    expect(page.locator("#feed")).to_contain_text("does not answer")
    expect(page.locator("#feed")).to_contain_text("answers again")
    expect(node(page, "juno")).to_have_attribute("data-state", "ready")


def test_the_page_comes_back_by_itself_when_the_gateway_does(page: Page, world: ProcessWorld) -> None:
    os.kill(world.home.running().children["gateway"], signal.SIGKILL)
    expect(page.locator("#live")).to_have_text("reconnecting")
    expect(page.locator("#live")).to_have_text(
        "live",
    )
    world.osmosis.user("carol").send(mesh.Bond(3_000_000))
    expect(page.locator("#feed")).to_contain_text("carol bonds 3,000,000 uosmo in the vault")


def test_the_picture_can_be_walked_by_keyboard_alone(page: Page) -> None:
    node(page, "juno").focus()
    page.keyboard.press("Enter")
    expect(card(page, "juno")).to_be_focused()
    names = page.evaluate(
        "[...document.querySelectorAll('.node, button, a')].map(each => each.ariaLabel || each.textContent.trim())"
    )
    assert all(names)


@pytest.mark.parametrize("width", [360, 800, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_any_screen(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    expect(node(page, "juno")).to_be_visible()
    page.wait_for_function(
        "document.querySelector('#stage svg').viewBox.baseVal.width <= document.querySelector('#stage').clientWidth"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    inside = """() => {
      const stage = document.querySelector('#stage').getBoundingClientRect();
      return [...document.querySelectorAll('.node .plate')].every(each => {
        const box = each.getBoundingClientRect();
        return box.left >= stage.left && box.right <= stage.right && box.top >= stage.top && box.bottom <= stage.bottom;
      });
    }"""
    assert page.evaluate(inside)


def test_what_is_broken_on_purpose_stands_on_its_card_until_it_is_healed(page: Page, world: ProcessWorld) -> None:
    world.fault("slow", "juno/val-2", delay="50ms")
    world.fault("relayer-line", "relayer", chain="juno", twice=20)
    expect(card(page, "juno").locator(".broken")).to_have_text("slow: val-2")
    expect(card(page, "osmosis").locator(".broken")).to_have_count(0)
    expect(page.locator(".relayer .broken")).to_have_text("line: juno (20 % twice)")
    world.heal()
    expect(page.locator(".broken")).to_have_count(0)
