"""All routes; every app names its own."""

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("apps.api.urls")),
    path("accounts/", include("apps.accounts.sign_in_urls")),
    path("", include("apps.accounts.urls")),
    path("w/<slug:workspace_slug>/", include("apps.contacts.urls")),
    path("w/<slug:workspace_slug>/", include("apps.smtp.urls")),
    path("w/<slug:workspace_slug>/", include("apps.campaigns.urls")),
    path("", include("apps.campaigns.public_urls")),
    path("", include("apps.tracking.urls")),
    path("", include("apps.web.urls")),
]

handler400 = "apps.web.views.errors.bad_request"
handler403 = "apps.web.views.errors.forbidden"
handler404 = "apps.web.views.errors.not_found"
handler500 = "apps.web.views.errors.server_error"
