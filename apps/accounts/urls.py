"""Routes of the accounts app."""

from django.urls import include, path

from apps.accounts.views import doors, invitations, keys, members, profile, workspace

app_name = "accounts"

_settings = [
    path("", workspace.show, name="workspace"),
    path("activity/", workspace.activity, name="activity"),
    path("members/", members.show, name="members"),
    path("members/leave/", members.leave, name="leave"),
    path("members/<int:membership_id>/role/", members.role, name="member_role"),
    path("members/<int:membership_id>/remove/", members.remove, name="member_remove"),
    path("keys/", keys.show, name="keys"),
    path("keys/<int:api_key_id>/revoke/", keys.revoke, name="key_revoke"),
    path("invitations/", members.invite, name="invite"),
    path("invitations/<int:invitation_id>/renew/", members.renew, name="invitation_renew"),
    path("invitations/<int:invitation_id>/withdraw/", members.withdraw, name="invitation_withdraw"),
]

urlpatterns = [
    path("setup/<str:token>/", doors.set_up, name="setup"),
    path("invitation/<str:token>/", invitations.accept, name="invitation"),
    path("you/", profile.show, name="profile"),
    path("you/sessions/end/", profile.end_session, name="end_session"),
    path("workspaces/new/", workspace.new, name="workspace_new"),
    path("w/<slug:workspace_slug>/settings/", include(_settings)),
]
