"""Routes of the web app."""

from django.urls import path

from apps.web.views import components, finding, home, rows, session, system, theme

app_name = "web"
urlpatterns = [
    path("", home.home, name="home"),
    path("w/<slug:workspace_slug>/", home.dashboard, name="dashboard"),
    path("w/<slug:workspace_slug>/sending-now/", home.sending_now, name="sending_now"),
    path("w/<slug:workspace_slug>/find/", finding.show, name="find"),
    path("w/<slug:workspace_slug>/last-days/", home.last_days, name="last_days"),
    path("w/<slug:workspace_slug>/system/", system.show, name="system"),
    path("w/<slug:workspace_slug>/system/live/", system.live, name="system_live"),
    path("w/<slug:workspace_slug>/system/notice/", system.notice, name="system_notice"),
    path("w/<slug:workspace_slug>/system/checks/", system.checks, name="system_checks"),
    path("w/<slug:workspace_slug>/system/campaigns/<int:campaign_id>/reset/", system.reset, name="system_reset"),
    path("theme/", theme.choose, name="theme"),
    path("rows/", rows.choose, name="rows"),
    path("session/", session.left, name="session"),
    path("_components/", components.show, name="components"),
]
