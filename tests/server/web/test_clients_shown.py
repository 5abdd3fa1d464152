"""Which client a machine runs is on its page, and admins say which are too old."""

import pytest
from django.test import Client as Browser

from sheepfold.protocol.generations import Generation
from sheepfold.server.core.clock import now
from sheepfold.server.core.models import AuditEntry
from sheepfold.server.core.switches import FarmSwitch, oldest_client, switches_on
from sheepfold.server.machines.actions import record_power
from sheepfold.server.machines.models import Device, Session
from sheepfold.server.pipeline.trials import TRIAL_PROJECT
from sheepfold.server.projects.models import Project
from sheepfold.server.renderers.models import Renderer
from tests.server.farm import make_session
from tests.server.web.world import World

pytestmark = pytest.mark.django_db


def browser_of(world: World, role: str) -> Browser:
    browser, person = Browser(), world.people[role]
    assert person is not None
    browser.force_login(person)
    return browser


@pytest.mark.parametrize(
    ("generation", "shown", "not_shown"),
    [
        (Generation.GO_2017, ["go-sheepit-client", "It never sends its frames"], ["Windows only"]),
        (Generation.RUST_2024, ["sheepit-client-rs", "Windows only"], ["never sends"]),
        (Generation.SHEEPFOLD, ["Sheepfold client"], ["It cannot", "It never"]),
    ],
)
def test_page_of_a_machine_says_what_it_runs_and_what_that_cannot_do(
    world: World, generation: Generation, shown: list[str], not_shown: list[str]
) -> None:
    session = make_session(user=world.owner, now=now())
    Session.objects.filter(pk=session.id).update(generation=generation)

    page = browser_of(world, "owner").get(f"/machines/{session.machine_id}/").content.decode()

    assert [words for words in shown if words not in page] == []
    assert [words for words in not_shown if words in page] == []


def test_admin_chooses_the_oldest_client(world: World) -> None:
    browser = browser_of(world, "admin")

    assert browser.post("/admin/settings/oldest_client/", {"year": "2020"}).status_code == 302

    assert oldest_client() == 2020
    assert '<option value="2020" selected>' in browser.get("/admin/settings/").content.decode()
    assert AuditEntry.objects.get(action="set oldest client").detail == "2020"
    browser.post("/admin/settings/oldest_client/", {"year": "0"})
    assert oldest_client() == 0


def test_admin_has_machines_tested(world: World) -> None:
    browser = browser_of(world, "admin")

    assert browser.post("/admin/settings/test_machines/", {"on": "1"}).status_code == 302

    assert FarmSwitch.TEST_MACHINES in switches_on()
    assert Project.objects.get(pk=TRIAL_PROJECT).renderer_id is not None
    browser.post("/admin/settings/test_machines/", {"on": "0"})
    assert FarmSwitch.TEST_MACHINES not in switches_on()


def test_machines_cannot_be_tested_without_blender(world: World) -> None:
    Project.objects.update(renderer=None)
    Renderer.objects.all().delete()

    assert browser_of(world, "admin").post("/admin/settings/test_machines/", {"on": "1"}).status_code == 409

    assert FarmSwitch.TEST_MACHINES not in switches_on()
    assert not Project.objects.filter(pk=TRIAL_PROJECT).exists()


def test_page_of_a_tested_machine_says_how_fast_it_is(world: World) -> None:
    record_power(machine_id=world.machine.pk, device=Device.CPU, power=49.6)
    record_power(machine_id=world.machine.pk, device=Device.GPU, power=812.0)

    page = browser_of(world, "owner").get(f"/machines/{world.machine.pk}/").content.decode()

    assert "processor 50 %, graphics 812 %" in page


@pytest.mark.parametrize("year", ["1999", "", "-1", "2020; DROP"])
def test_year_that_is_not_offered_is_refused(world: World, year: str) -> None:
    assert browser_of(world, "admin").post("/admin/settings/oldest_client/", {"year": year}).status_code == 422

    assert oldest_client() == 0


def test_nobody_but_an_admin_chooses_the_oldest_client(world: World) -> None:
    assert browser_of(world, "owner").post("/admin/settings/oldest_client/", {"year": "2020"}).status_code == 404

    assert oldest_client() == 0
