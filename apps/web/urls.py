"""Routes of the web app."""

from django.urls import path

from apps.web.views import components, finding, home, theme

app_name = "web"
urlpatterns = [
    path("", home.home, name="home"),
    path("w/<slug:workspace_slug>/", home.dashboard, name="dashboard"),
    path("w/<slug:workspace_slug>/sending-now/", home.sending_now, name="sending_now"),
    path("w/<slug:workspace_slug>/find/", finding.show, name="find"),
    path("w/<slug:workspace_slug>/last-days/", home.last_days, name="last_days"),
    path("theme/", theme.choose, name="theme"),
    path("_components/", components.show, name="components"),
]
