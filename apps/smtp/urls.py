"""Routes of the smtp app, all within a workspace."""

from django.urls import path

from apps.smtp.views import accounts, inbox

app_name = "smtp"
urlpatterns = [
    path("accounts/", accounts.show, name="accounts"),
    path("accounts/new/", accounts.new, name="account_new"),
    path("accounts/<uuid:transport_uuid>/", accounts.detail, name="account"),
    path("accounts/<uuid:transport_uuid>/edit/", accounts.edit, name="account_edit"),
    path("accounts/<uuid:transport_uuid>/test/", accounts.test, name="account_test"),
    path("accounts/<uuid:transport_uuid>/switch/", accounts.switch, name="account_switch"),
    path("accounts/<uuid:transport_uuid>/delete/", accounts.delete, name="account_delete"),
    path("inbox/", inbox.show, name="inbox"),
    path("inbox/<int:letter_id>/", inbox.letter, name="letter"),
    path("inbox/<int:letter_id>/html/", inbox.letter_html, name="letter_html"),
    path("inbox/<int:letter_id>/source/", inbox.letter_source, name="letter_source"),
    path("system-inbox/", inbox.system_show, name="system_inbox"),
    path("system-inbox/<int:letter_id>/", inbox.system_letter, name="system_letter"),
    path("system-inbox/<int:letter_id>/html/", inbox.system_letter_html, name="system_letter_html"),
    path("system-inbox/<int:letter_id>/source/", inbox.system_letter_source, name="system_letter_source"),
]
