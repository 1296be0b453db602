"""The sentences of the activity page: what each deed of the audit is called."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: dict[str, str | Promise] = {
    "signed_in": _("Signed in"),
    "sign_in_failed": _("A wrong password was tried"),
    "signed_out": _("Signed out"),
    "sessions_ended": _("Signed out elsewhere"),
    "password_changed": _("Changed the password"),
    "password_reset": _("Chose a new password with a link"),
    "workspace_created": _("Made the workspace"),
    "workspace_changed": _("Changed the workspace"),
    "invitation_made": _("Invited"),
    "invitation_withdrawn": _("Withdrew an invitation"),
    "member_joined": _("Joined"),
    "member_role_changed": _("Changed a role"),
    "member_removed": _("Removed a member"),
    "sender_added": _("Added a sender"),
    "sender_changed": _("Changed a sender"),
    "sender_removed": _("Removed a sender"),
    "account_added": _("Added a sending account"),
    "account_changed": _("Changed a sending account"),
    "account_switched": _("Switched a sending account"),
    "account_deleted": _("Deleted a sending account"),
    "secret_changed": _("Changed a password or key"),
    "campaign_sent": _("Sent a campaign off"),
    "campaign_paused": _("Paused a campaign"),
    "campaign_resumed": _("Resumed a campaign"),
    "campaign_cancelled": _("Cancelled a campaign"),
    "campaign_unscheduled": _("Took a campaign back to a draft"),
    "campaign_retried": _("Had failed emails tried again"),
    "campaign_resent": _("Had unconfirmed emails sent again"),
    "campaign_deleted": _("Deleted a draft"),
    "campaign_reset": _("Set a stuck campaign going again"),
    "contact_deleted": _("Deleted a contact"),
    "suppression_lifted": _("Lifted a suppression"),
    "import_started": _("Started an import"),
    "exported": _("Exported"),
    "restore_confirmed": _("Confirmed a restored database"),
}
