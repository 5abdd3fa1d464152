"""A small world for the pages: one project in a group, one machine, and everybody who may want to see them."""

from dataclasses import dataclass

from sheepfold.server.accounts.actions import create_api_token, create_render_key, invite
from sheepfold.server.accounts.models import ApiToken, Group, GroupRole, Invitation, Membership, RenderKey, User
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.clock import now
from sheepfold.server.core.storage import store
from sheepfold.server.machines.models import Machine
from sheepfold.server.projects.models import Project, ProjectShare, ShareLink
from sheepfold.server.projects.sharing import create_share_link, share_with_user
from sheepfold.server.results.models import ErrorLog, Result
from tests.server.farm import make_project, make_user


@dataclass(frozen=True)
class World:
    """`people` by role in the project; the owner also owns the machine, the key and the token."""

    people: dict[str, User | None]
    project: Project
    group: Group
    machine: Machine
    key: RenderKey
    token: ApiToken
    share: ProjectShare
    link: ShareLink
    link_secret: str
    report: ErrorLog
    farm_invitation: Invitation
    group_invitation: Invitation
    invitation_secret: str

    @property
    def owner(self) -> User:
        """Of the project."""
        owner = self.people["owner"]
        assert owner is not None
        return owner


def make_world() -> World:
    """Frame 1 is done, with a picture; frames 2 and 3 wait."""
    owner, admin = make_user("owner"), make_user("admin", is_staff=True)
    group = Group.objects.create(name="studio")
    group_admin = _joined(make_user("group-admin"), group, GroupRole.ADMIN)
    member = _joined(make_user("member"), group, GroupRole.MEMBER)
    _joined(owner, group, GroupRole.MEMBER)
    project = make_project(tiles=3, owner=owner, group=group, facts={"width": 64, "height": 36})
    machine = Machine.objects.create(user=owner, fingerprint="m", name="tower", os="linux", bits=64)
    finish_frame(project, machine, 1)
    share_with_user(project=project, user=make_user("guest"))
    link, link_secret = create_share_link(project=project, now=now())
    log = record_blob(ref=store().keep_bytes(b"<script>alert(1)</script> crashed", "text/plain"))
    _, invitation_secret = invite(group=group, role=GroupRole.MEMBER, note="", inviter=group_admin, now=now())
    return World(
        people={
            "visitor": None,
            "stranger": make_user("stranger"),
            "member": member,
            "group admin": group_admin,
            "owner": owner,
            "admin": admin,
        },
        project=project,
        group=group,
        machine=machine,
        key=create_render_key(user=owner, name="tower")[0],
        token=create_api_token(user=owner, name="script")[0],
        share=ProjectShare.objects.get(),
        link=link,
        link_secret=link_secret,
        report=ErrorLog.objects.create(
            tile=project.tiles.get(frame=2),
            project_id=project.pk,
            machine_id=machine.pk,
            kind=12,
            blob=log,
            created_at=now(),
        ),
        farm_invitation=invite(group=None, role=GroupRole.MEMBER, note="", inviter=admin, now=now())[0],
        group_invitation=Invitation.objects.get(group=group),
        invitation_secret=invitation_secret,
    )


def finish_frame(project: Project, machine: Machine, frame: int) -> Result:
    """As if the machine had sent it."""
    tile = project.tiles.get(frame=frame)
    project.tiles.filter(pk=tile.pk).update(status=2)
    picture = record_blob(ref=store().keep_bytes(PNG, "image/png"))
    return Result.objects.create(
        tile=tile,
        project_id=project.pk,
        lease_token=f"{project.pk}-{frame}",
        machine_id=machine.pk,
        blob=picture,
        thumbnail=picture,
        verdict="accepted",
        width=1,
        height=1,
        format="PNG",
        size=len(PNG),
        rendertime=2.5,
        created_at=now(),
    )


def _joined(user: User, group: Group, role: GroupRole) -> User:
    Membership.objects.create(user=user, group=group, role=role)
    return user


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8db00000000049454e44ae426082"
)
