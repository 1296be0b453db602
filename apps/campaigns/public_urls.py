"""Routes of the campaigns app that letters lead to: no workspace, no session."""

from django.urls import path

from apps.campaigns.views import images

app_name = "images"
urlpatterns = [path("i/<str:name>", images.show, name="show")]
