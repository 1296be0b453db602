"""Routes of the tracking app."""

from django.urls import URLPattern, URLResolver, path

from apps.tracking.ingest import pixel, preferences, redirect, unsubscribe, view
from apps.tracking.views import exports, statistics

app_name = "tracking"
urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<str:token>.gif", pixel.pixel, name="open"),
    path("c/<str:token>", redirect.click, name="click"),
    path("u/<str:token>", unsubscribe.unsubscribe, name="unsubscribe"),
    path("v/<str:token>", view.view, name="view"),
    path("p/<str:token>", preferences.choose, name="preferences"),
    path(
        "w/<slug:workspace_slug>/campaigns/<uuid:campaign_uuid>/statistics/",
        statistics.campaign_statistics,
        name="campaign_statistics",
    ),
    path("w/<slug:workspace_slug>/campaigns/<uuid:campaign_uuid>/exports/", exports.start, name="export_start"),
    path("w/<slug:workspace_slug>/exports/", exports.show, name="exports"),
    path("w/<slug:workspace_slug>/exports/<uuid:exportjob_uuid>/", exports.download, name="export_download"),
    path("w/<slug:workspace_slug>/exports/<uuid:exportjob_uuid>/cancel/", exports.cancel, name="export_cancel"),
    path(
        "w/<slug:workspace_slug>/contacts/<uuid:contact_uuid>/letters/",
        statistics.contact_letters,
        name="contact_letters",
    ),
]
