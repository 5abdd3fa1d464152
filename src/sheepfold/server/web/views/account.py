"""The account: points, keys, tokens, preferences."""

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sheepfold.server.accounts import actions
from sheepfold.server.accounts.models import ApiToken, BlockedOwner, RenderKey, User
from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.clock import now
from sheepfold.server.core.errors import NotFound
from sheepfold.server.results.models import PointsEntry
from sheepfold.server.results.queries import balance
from sheepfold.server.web.access import PersonRequest, changes, shows, signed_in

ENTRIES_PER_PAGE = 50


class PreferencesForm(forms.Form):
    """How the user's machines choose."""

    own_projects_first = forms.BooleanField(
        required=False, label="My projects first", help_text="My machines render my own frames before those of others."
    )


@shows
@signed_in
def overview(request: PersonRequest) -> HttpResponse:
    """Points with their ledger."""
    entries = PointsEntry.objects.filter(user=request.user).order_by("-created_at", "-id")
    page = Paginator(entries.select_related("result__tile__project"), ENTRIES_PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(request, "web/account/overview.html", {"balance": balance(request.user.pk), "page": page})


@shows
@signed_in
def keys(request: PersonRequest) -> HttpResponse:
    """Render keys of machines and API tokens of programs."""
    return _keys_page(request)


def _keys_page(request: PersonRequest, secret: str = "", name: str = "") -> HttpResponse:
    context = {
        "keys": RenderKey.objects.filter(user=request.user, revoked_at=None).order_by("-created_at"),
        "tokens": ApiToken.objects.filter(user=request.user, revoked_at=None).order_by("-created_at"),
        "secret": secret,
        "name": name,
    }
    response = render(request, "web/account/keys.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@changes
@signed_in
def make_token(request: PersonRequest) -> HttpResponse:
    """A token for a program; this answer is the only place where it is shown."""
    token, secret = actions.create_api_token(user=request.user, name=request.POST.get("name", ""))
    record_audit(actor_id=request.user.pk, action="create API token", subject=token.name)
    return _keys_page(request, secret, token.name)


@changes
@signed_in
def revoke_token(request: PersonRequest, token_id: int) -> HttpResponse:
    """The program cannot come in with it again."""
    token = ApiToken.objects.filter(pk=token_id, user=request.user).first()
    if token is None:
        raise NotFound("there is no such token")
    actions.revoke_api_token(token=token, now=now())
    record_audit(actor_id=request.user.pk, action="revoke API token", subject=token.name)
    return HttpResponseRedirect("/account/keys/")


@signed_in
def preferences(request: PersonRequest) -> HttpResponse:
    """Show them, or keep new ones."""
    if request.method == "POST":
        return _save_preferences(request)
    form = PreferencesForm(initial={"own_projects_first": request.user.own_projects_first})
    blocked = BlockedOwner.objects.filter(user=request.user).select_related("owner")
    return render(request, "web/account/preferences.html", {"form": form, "blocked": blocked})


@transaction.atomic
def _save_preferences(request: PersonRequest) -> HttpResponse:
    form = PreferencesForm(request.POST)
    form.full_clean()
    actions.set_preferences(user=request.user, own_projects_first=form.cleaned_data["own_projects_first"])
    messages.success(request, "Kept.")
    return HttpResponseRedirect("/account/preferences/")


@changes
@signed_in
def block_owner(request: PersonRequest) -> HttpResponse:
    """My machines render nothing of this person. The answer does not tell whether the name exists."""
    name = request.POST.get("username", "").strip()
    owner = User.objects.filter(username=name).exclude(pk=request.user.pk).first()
    if owner is not None:
        actions.block_owner(user=request.user, owner=owner)
    messages.success(request, f"Your machines render nothing of {name}.")
    return HttpResponseRedirect("/account/preferences/")


@changes
@signed_in
def unblock_owner(request: PersonRequest, owner_id: int) -> HttpResponse:
    """Take the block back."""
    owner = User.objects.filter(pk=owner_id).first()
    if owner is None:
        raise NotFound("there is no such block")
    actions.unblock_owner(user=request.user, owner=owner)
    return HttpResponseRedirect("/account/preferences/")
