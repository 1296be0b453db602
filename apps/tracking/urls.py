"""Routes of the tracking app."""

from django.urls import URLPattern, URLResolver, path

from apps.tracking import views
from apps.tracking.ingest import pixel, preferences, redirect, unsubscribe, view

app_name = "tracking"
urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<str:token>.gif", pixel.pixel, name="open"),
    path("c/<str:token>", redirect.click, name="click"),
    path("u/<str:token>", unsubscribe.unsubscribe, name="unsubscribe"),
    path("v/<str:token>", view.view, name="view"),
    path("p/<str:token>", preferences.choose, name="preferences"),
    path(
        "w/<slug:workspace_slug>/campaigns/<uuid:campaign_uuid>/statistics/",
        views.campaign_statistics,
        name="campaign_statistics",
    ),
    path(
        "w/<slug:workspace_slug>/contacts/<uuid:contact_uuid>/letters/", views.contact_letters, name="contact_letters"
    ),
]
