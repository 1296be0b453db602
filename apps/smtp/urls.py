"""Routes of the smtp app."""

from django.urls import URLPattern, URLResolver

app_name = "smtp"
urlpatterns: list[URLPattern | URLResolver] = []
