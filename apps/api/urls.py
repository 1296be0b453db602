"""Routes of the API, version 1."""

from django.urls import path

from apps.api import views

app_name = "api"
urlpatterns = [
    path("workspace", views.workspace, name="workspace"),
    path("campaigns", views.campaigns, name="campaigns"),
    path("<path:rest>", views.nothing, name="nothing"),
]
