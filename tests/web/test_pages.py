"""Home, the theme, the error pages, and the policy they all keep."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory, override_settings

from apps.accounts.models import User, Workspace
from apps.contacts.models import ContactList
from apps.web.views import errors


def test_home_leads_to_the_first_workspace(owner_client: Client) -> None:
    assert owner_client.get("/").headers["Location"] == "/w/northlight/"


def test_home_asks_to_sign_in(db: None) -> None:
    assert Client().get("/").headers["Location"] == "/accounts/login/?next=/"


def test_a_user_without_a_workspace_is_told_so(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("new@northlight.example"))

    page = client.get("/")

    assert page.status_code == 200
    assert "You belong to no workspace yet" in page.content.decode()


def test_a_new_workspace_shows_the_first_steps(owner_client: Client) -> None:
    html = owner_client.get("/w/northlight/").content.decode()

    assert "Bring your people" in html
    assert html.count("<h1") == 1
    assert 'aria-current="page"' in html


def test_a_stranger_learns_nothing_about_a_workspace(workspace: Workspace, stranger_client: Client) -> None:
    assert stranger_client.get("/w/northlight/").status_code == 404


def test_the_home_page_is_cheap(owner_client: Client, django_assert_max_num_queries: object) -> None:
    with django_assert_max_num_queries(14):  # type: ignore[operator]  # a fixture of pytest-django
        owner_client.get("/w/northlight/")


@pytest.mark.parametrize(("key", "attribute"), [("dark", 'data-theme="vash-dark"'), ("light", 'data-theme="vash"')])
def test_a_theme_is_remembered(owner_client: Client, owner: User, key: str, attribute: str) -> None:
    reply = owner_client.post("/theme/", {"theme": key}, headers={"HX-Request": "true"})

    assert reply.status_code == 204
    assert attribute in owner_client.get("/w/northlight/").content.decode()
    owner.refresh_from_db()
    assert owner.theme == key


def test_the_system_theme_needs_no_attribute(owner_client: Client) -> None:
    owner_client.post("/theme/", {"theme": "system"})

    assert "data-theme=" not in owner_client.get("/w/northlight/").content.decode().split("<head>")[0]


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_a_theme_leads_back_to_our_own_pages_only(owner_client: Client, back: str) -> None:
    assert owner_client.post("/theme/", {"theme": "dark", "back": back}).headers["Location"] == "/"


def test_a_theme_that_does_not_exist_is_refused(owner_client: Client, owner: User) -> None:
    assert owner_client.post("/theme/", {"theme": "pink"}).status_code == 400
    owner.refresh_from_db()
    assert owner.theme == "system"


def test_a_theme_is_chosen_by_post_only_and_with_a_token(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)

    assert client.get("/theme/").status_code == 405
    refused = client.post("/theme/", {"theme": "dark"})
    assert refused.status_code == 403
    assert "This form is too old" in refused.content.decode()


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/nothing/here/"])
def test_every_page_keeps_the_strict_policy(db: None, path: str) -> None:
    policy = Client().get(path).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_what_is_not_there_is_said_plainly(db: None) -> None:
    page = Client().get("/nothing/here/")

    assert page.status_code == 404
    assert "Nothing is here" in page.content.decode()


def test_a_null_character_is_refused_in_a_sentence(
    owner_client: Client, workspace: Workspace, contact_list: ContactList
) -> None:
    answers = [
        owner_client.get("/w/northlight/contacts/?q=a%00b"),
        owner_client.get("/w/northlight/campaigns/?q=%00"),
        owner_client.post("/w/northlight/campaigns/new/", {"name": "a\0b"}),
        owner_client.get("/w/northlight/contacts/?q=%00", headers={"HX-Request": "true"}),
    ]

    for answer in answers:
        assert answer.status_code == 400
        assert "invisible character (NUL)" in answer.content.decode()
    assert "data-notice" in answers[-1].content.decode()


def test_a_null_character_closes_no_door_of_a_recipient(client: Client, db: None) -> None:
    answer = client.post("/u/no-such-token?lang=%00", {"List-Unsubscribe": "One-Click", "note": "\0"})

    assert answer.status_code == 404
    assert "NUL" not in answer.content.decode()


def test_the_500_page_needs_no_database() -> None:
    # Without the db fixture every query is an error.
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    page = errors.server_error(request)

    assert page.status_code == 500
    assert "Something broke on our side" in page.content.decode()
    assert "manage.py health_check" in page.content.decode()


def test_the_components_are_not_there_in_a_running_installation(owner_client: Client) -> None:
    assert owner_client.get("/_components/").status_code == 404


@override_settings(SHOW_COMPONENTS=True)
def test_the_components_page_shows_them_all(owner_client: Client) -> None:
    html = owner_client.get("/_components/").content.decode()

    assert "This account does not add up: 3 emails are missing." in html
    assert "Did you mean bounce.northlight.example?" in html


def test_sign_in_shows_the_way_in_on_a_new_installation(db: None) -> None:
    assert "manage.py setup_link" in Client().get("/accounts/login/").content.decode()


def test_sign_in_hides_the_way_in_once_there_is_an_owner(owner: User) -> None:
    assert "manage.py setup_link" not in Client().get("/accounts/login/").content.decode()


@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/accounts/password/reset/", "/accounts/password/reset/done/", "/accounts/inactive/"]
)
def test_every_page_around_signing_in_has_one_heading(db: None, path: str) -> None:
    page = Client().get(path)

    assert page.status_code == 200
    assert page.content.decode().count("<h1") == 1


@pytest.mark.parametrize("path", ["/accounts/password/change/", "/accounts/logout/"])
def test_pages_of_the_account_open(owner_client: Client, path: str) -> None:
    assert owner_client.get(path, follow=True).status_code == 200


def test_a_wrong_password_is_said_without_saying_which(owner: User) -> None:
    known = Client().post("/accounts/login/", {"login": owner.email, "password": "wrong"})
    unknown = Client().post("/accounts/login/", {"login": "nobody@northlight.example", "password": "wrong"})

    def banner(html: str) -> str:
        return html.split('role="alert"')[1].split("</form>")[0].split('<div class="field"')[0]

    assert banner(known.content.decode()) == banner(unknown.content.decode())
