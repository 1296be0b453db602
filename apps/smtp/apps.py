"""Registers the smtp app."""

from django.apps import AppConfig


class SmtpConfig(AppConfig):
    """The smtp floor."""

    name = "apps.smtp"
    label = "smtp"
