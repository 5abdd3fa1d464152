"""The owner of a machine steers it on its page, in a real browser; a real client obeys and the page says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import EmptyFarm
from tests.e2e.books import DONE, RENDERING, WAITING, Books, open_books
from tests.e2e.browser import chromium, new_page, press
from tests.e2e.running import ClientProcess, FarmProcess, fill_with_stand_in, run_python, wait_until

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

TILES = 6
HERE = Path(__file__).parent


@pytest.fixture
def serving(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    farm = FarmProcess(empty_farm, tmp_path / "farm.log")
    farm.start()
    yield farm
    farm.stop()


@pytest.fixture
def client(empty_farm: EmptyFarm, serving: FarmProcess, tmp_path: Path) -> Iterator[ClientProcess]:
    """A client on a farm whose frames end when the test says so."""
    scene = {"notes": str(tmp_path), "hold": [], "gates": list(range(1, TILES + 1))}
    key = fill_with_stand_in(empty_farm, tmp_path, scene, TILES)
    client = ClientProcess(serving, tmp_path / "client", key)
    client.start()
    yield client
    client.kill()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Bench:
    """The farm, the machine and its page, each looked at from outside."""

    def __init__(self, farm: EmptyFarm, serving: FarmProcess, browser: Browser, notes: Path) -> None:
        self.books: Books = open_books(farm)
        self._notes = notes
        self.page: Page = new_page(browser)
        self.page.on("dialog", lambda dialog: dialog.accept())
        cookie = run_python(farm, HERE / "sign_in.py", "ada")
        self.page.context.add_cookies([{"name": "sheepfold_site", "value": cookie, "url": serving.url}])
        self.begun(1)
        (machine,) = self.books.rows("SELECT id FROM machines_machine")
        self.page.goto(f"{serving.url}/machines/{machine[0]}/")

    def begun(self, frame: int) -> None:
        """Wait until the frame is being rendered, again if it was before."""
        wait_until((self._notes / f"at-{frame}").exists, f"frame {frame} begins")
        (self._notes / f"at-{frame}").unlink()

    def finish(self, frame: int) -> None:
        (self._notes / f"go-{frame}").touch()

    def says(self, words: str) -> None:
        """Wait until the page says it, without being loaded anew."""
        expect(self.page.locator("h1 + p")).to_have_text(words)

    def tiles(self) -> list[int]:
        """The status of each."""
        return [row[0] for row in self.books.rows("SELECT status FROM frames_tile ORDER BY frame")]


@pytest.fixture
def bench(
    empty_farm: EmptyFarm, serving: FarmProcess, client: ClientProcess, browser: Browser, tmp_path: Path
) -> Bench:
    return Bench(empty_farm, serving, browser, tmp_path)


def test_pause_stop_and_take_back(bench: Bench, client: ClientProcess) -> None:
    bench.says("rendering")
    press(bench.page, "Pause after its frame")
    bench.says("finishes its frame, then pauses")
    bench.finish(1)
    bench.says("paused")
    assert bench.tiles() == [DONE] + [WAITING] * 5

    press(bench.page, "Resume")
    bench.begun(2)
    bench.says("rendering")

    press(bench.page, "Stop after its frame")
    bench.says("will stop after this frame")
    press(bench.page, "Do not stop it")
    bench.says("rendering")
    bench.finish(2)
    bench.begun(3)

    press(bench.page, "Stop after its frame")
    bench.says("will stop after this frame")
    bench.finish(3)
    assert client.wait() == 0
    bench.says("stopped")
    assert bench.tiles() == [DONE] * 3 + [WAITING] * 3

    client.start()
    bench.begun(4)
    bench.says("rendering")


def test_drop_a_project_and_stop_now(bench: Bench, client: ClientProcess) -> None:
    press(bench.page, "Never this project here")
    bench.says("waiting for work")
    expect(bench.page.locator("main")).to_contain_text("its owner blocked it on the site")
    assert bench.tiles() == [WAITING] * TILES
    wait_until(lambda: len(client.family()) == 1, "the renderer ends")

    press(bench.page, "Allow it again")
    bench.begun(1)
    bench.says("rendering")
    alone, asked_ahead = [RENDERING] + [WAITING] * 5, [RENDERING] * 2 + [WAITING] * 4
    assert bench.tiles() in (alone, asked_ahead)

    renderer = client.family()[1:]
    press(bench.page, "Stop now")
    assert client.wait() == 8
    assert not any(process.is_running() for process in renderer)
    bench.says("stopped")
    assert bench.tiles() == [WAITING] * TILES
    assert bench.books.open_leases() == 0
