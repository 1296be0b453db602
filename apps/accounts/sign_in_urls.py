"""The sign-in library's routes that this product offers; the others exist by name only and answer 404."""

from allauth.account import views as allauth
from django.urls import path, re_path

from apps.accounts.views import doors

urlpatterns = [
    path("login/", allauth.login, name="account_login"),
    path("logout/", allauth.logout, name="account_logout"),
    path("inactive/", allauth.account_inactive, name="account_inactive"),
    path("reauthenticate/", allauth.reauthenticate, name="account_reauthenticate"),
    path("password/change/", allauth.password_change, name="account_change_password"),
    path("password/reset/", allauth.password_reset, name="account_reset_password"),
    path("password/reset/done/", allauth.password_reset_done, name="account_reset_password_done"),
    path(
        "password/reset/key/done/",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        allauth.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    # Nobody signs up alone, and an address changes only through an admin.
    path("signup/", doors.closed, name="account_signup"),
    path("email/", doors.closed, name="account_email"),
    path("password/set/", doors.closed, name="account_set_password"),
    path("confirm-email/", doors.closed, name="account_email_verification_sent"),
    re_path(r"^confirm-email/(?P<key>[-:\w]+)/$", doors.closed, name="account_confirm_email"),
]
