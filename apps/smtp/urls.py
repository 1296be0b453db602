"""Routes of the smtp app, all within a workspace."""

from django.urls import path

from apps.smtp.views import inbox

app_name = "smtp"
urlpatterns = [
    path("inbox/", inbox.show, name="inbox"),
    path("inbox/<int:letter_id>/", inbox.letter, name="letter"),
    path("inbox/<int:letter_id>/html/", inbox.letter_html, name="letter_html"),
    path("inbox/<int:letter_id>/source/", inbox.letter_source, name="letter_source"),
    path("system-inbox/", inbox.system_show, name="system_inbox"),
    path("system-inbox/<int:letter_id>/", inbox.system_letter, name="system_letter"),
    path("system-inbox/<int:letter_id>/html/", inbox.system_letter_html, name="system_letter_html"),
    path("system-inbox/<int:letter_id>/source/", inbox.system_letter_source, name="system_letter_source"),
]
