"""People, keys, tokens, machines, renderers."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from sheepfold.server.accounts import actions
from sheepfold.server.accounts.models import User
from sheepfold.server.api import schemas
from sheepfold.server.api.encode import encode_machine, encode_renderer
from sheepfold.server.core.errors import BadInput, NotFound
from sheepfold.server.machines.queries import connected_among, last_heard, machines_of
from sheepfold.server.renderers import queries
from sheepfold.server.results.queries import balance

MILLI = 1000


def me(*, user: User) -> schemas.Person:
    """Who asks."""
    return _person(user)


def add_user(*, user: User, body: schemas.NewUser) -> schemas.Person:
    """A new person."""
    try:
        validate_password(body.password, User(username=body.username, email=body.email))
    except ValidationError as error:
        raise BadInput(" ".join(error.messages)) from error
    made = actions.create_user(username=body.username, password=body.password, email=body.email, admin=body.admin)
    return _person(made)


def add_key(*, user: User, body: schemas.NewSecret) -> schemas.Secret:
    """A new render key."""
    owner = _owner(user, body)
    key, secret = actions.create_render_key(user=owner, name=body.name)
    return schemas.Secret(key.name, owner.username, secret)


def add_token(*, user: User, body: schemas.NewSecret) -> schemas.Secret:
    """A new token. Only for oneself: it may do everything that its owner may."""
    if body.user not in {None, user.username}:
        raise NotFound("tokens are made by those who will use them")
    token, secret = actions.create_api_token(user=user, name=body.name)
    return schemas.Secret(token.name, user.username, secret)


def machines(*, user: User) -> list[schemas.Machine]:
    """The asker's machines, the last heard of first."""
    found = {machine.pk: machine for machine in machines_of(user.pk)}
    connected, heard = connected_among(found), last_heard(found)
    order = sorted(heard, key=heard.__getitem__, reverse=True)
    order += [machine_id for machine_id in found if machine_id not in heard]
    return [encode_machine(found[one], connected=one in connected, heard_at=heard.get(one)) for one in order]


def renderers(*, user: User) -> list[schemas.Renderer]:
    """All renderers, the newest first."""
    return [encode_renderer(fact) for fact in queries.renderers()]


def _owner(user: User, body: schemas.NewSecret) -> User:
    if body.user in {None, user.username}:
        return user
    found = User.objects.filter(username=body.user).first() if user.is_staff else None
    if found is None:
        raise NotFound(f"there is no user {body.user}")
    return found


def _person(user: User) -> schemas.Person:
    return schemas.Person(username=user.username, admin=user.is_staff, points=balance(user.pk) / MILLI)
