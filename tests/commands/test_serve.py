import os
import signal
import stat

import httpx2
import psutil
import pytest

from sheepfold.server.core.local_access import read_local_access
from tests.commands.conftest import Serving, Terminal, start_serving

pytestmark = pytest.mark.database


def test_a_new_farm_lets_this_machine_in_and_its_first_admin_by_a_link(terminal: Terminal, serving: Serving) -> None:
    access = read_local_access(terminal.data_dir)
    assert access is not None
    assert access.url == serving.url
    assert stat.S_IMODE((terminal.data_dir / "local.json").stat().st_mode) == 0o600
    me = _get(f"{serving.url}/api/me", headers={"Authorization": f"Bearer {access.token}"})
    assert me.json() == {"username": "admin", "admin": True, "points": 0.0}
    link = serving.greeting[1].split()[-1]
    assert link.startswith(f"{serving.url}/first-run/")
    assert _get(link).status_code == 200
    assert _get(f"{link[:-2]}/").status_code == 404


def test_the_farm_goes_on_as_it_was_and_only_the_newest_link_counts(terminal: Terminal, serving: Serving) -> None:
    before = read_local_access(terminal.data_dir)
    serving.process.terminate()
    serving.process.communicate()
    with start_serving(terminal) as again:
        access = read_local_access(terminal.data_dir)
        assert before is not None
        assert access is not None
        assert (access.token, access.url) == (before.token, again.url)
        old = serving.greeting[1].split()[-1].removeprefix(serving.url)
        new = again.greeting[1].split()[-1].removeprefix(again.url)
        assert [_get(f"{again.url}{link}").status_code for link in (old, new)] == [404, 200]


def test_commands_find_the_farm_of_this_machine(terminal: Terminal, serving: Serving) -> None:
    assert terminal.json("projects") == []
    assert terminal.json("machines") == []
    assert terminal.json("renderer", "list") == []
    assert terminal.run("frames", "4") == (1, "", "sheepfold: there is no such project\n")


def test_a_web_process_that_is_killed_comes_back_on_the_same_address(serving: Serving) -> None:
    web = _child(serving, "web")
    os.kill(web.pid, signal.SIGKILL)
    web.wait()
    # The parent holds the socket, so this waits for the new process instead of being refused.
    assert _get(f"{serving.url}/api/openapi.json").status_code == 200
    assert _child(serving, "web").pid != web.pid


def test_a_polite_end_ends_every_process(serving: Serving) -> None:
    family = [_child(serving, "web"), _child(serving, "background")]
    serving.process.terminate()
    serving.process.communicate()
    assert serving.process.returncode == 0
    assert [one.is_running() for one in family] == [False, False]


def test_a_killed_server_leaves_no_process_behind(serving: Serving) -> None:
    family = [_child(serving, "web"), _child(serving, "background")]
    serving.process.kill()
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert (len(gone), alive) == (2, [])


def test_a_taken_port_is_told_in_words(terminal: Terminal, serving: Serving) -> None:
    port = serving.url.rpartition(":")[2]
    status, output, errors = terminal.run("serve", "--host", "127.0.0.1", "--port", port)
    assert (status, output) == (1, "")
    assert errors == (f"sheepfold: cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port\n")


def test_without_a_farm_commands_say_what_to_do(terminal: Terminal) -> None:
    assert terminal.run("projects") == (
        1,
        "",
        "sheepfold: no farm runs here. Start one with `sheepfold serve`, or name one with --server and --token-file\n",
    )


def test_a_farm_that_does_not_answer_is_told_in_words(terminal: Terminal, serving: Serving) -> None:
    serving.process.terminate()
    serving.process.communicate()
    status, output, errors = terminal.run("projects")
    assert (status, output) == (1, "")
    assert errors.startswith(f"sheepfold: {serving.url} does not answer: ")


def _child(serving: Serving, name: str) -> psutil.Process:
    family = psutil.Process(serving.process.pid).children()
    return next(one for one in family if name in one.cmdline())


def _get(url: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    """Patient: a web process that has just been started loads everything first."""
    return httpx2.get(url, headers=headers, timeout=120)
