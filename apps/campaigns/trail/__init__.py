"""Why (not) this person: what decided about one person and one campaign, from list membership to the last reply."""

from apps.campaigns.trail.asked import Asked, ask, ask_address
from apps.campaigns.trail.steps import Step, Trail, add_source
from apps.campaigns.trail.telling import tell

__all__ = ["Asked", "Step", "Trail", "add_source", "ask", "ask_address", "tell"]
