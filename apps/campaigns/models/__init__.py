"""The campaigns app's records."""

from apps.campaigns.models.campaign import Campaign, CampaignEntry, ContentVersion
from apps.campaigns.models.delivery import Batch, Delivery, DeliveryEntry
from apps.campaigns.models.image import Image
from apps.campaigns.models.pace import PaceSample
from apps.campaigns.models.proof import Attempt, Certificate, LeftOut, Recount, Revision
from apps.campaigns.models.sender import SenderIdentity
from apps.campaigns.models.template import Template

__all__ = [
    "Attempt",
    "Batch",
    "Campaign",
    "CampaignEntry",
    "Certificate",
    "ContentVersion",
    "Delivery",
    "DeliveryEntry",
    "Image",
    "LeftOut",
    "PaceSample",
    "Recount",
    "Revision",
    "SenderIdentity",
    "Template",
]
