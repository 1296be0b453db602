"""Routes of the campaigns app, all within a workspace."""

from django.urls import path

from apps.campaigns.views import composer, content, detail, listing, moves, reading, review, senders, templates

app_name = "campaigns"
urlpatterns = [
    path("settings/senders/", senders.show, name="senders"),
    path("settings/senders/add/", senders.add, name="sender_add"),
    path("settings/senders/<uuid:senderidentity_uuid>/", senders.edit, name="sender"),
    path("settings/senders/<uuid:senderidentity_uuid>/remove/", senders.remove, name="sender_remove"),
    path("campaigns/", listing.show, name="list"),
    path("campaigns/new/", composer.new, name="new"),
    path("campaigns/<int:campaign_id>/", detail.show, name="detail"),
    path("campaigns/<int:campaign_id>/live/", detail.live, name="live"),
    path("campaigns/<int:campaign_id>/people/", detail.people, name="people"),
    path("campaigns/<int:campaign_id>/people/<uuid:delivery_uuid>/", detail.person, name="person"),
    path("campaigns/<int:campaign_id>/settings/", composer.settings, name="settings"),
    path("campaigns/<int:campaign_id>/audience/", composer.audience, name="audience"),
    path("campaigns/<int:campaign_id>/content/", content.edit, name="content"),
    path("campaigns/<int:campaign_id>/content/sample/", content.sample, name="sample"),
    path("campaigns/<int:campaign_id>/content/footer/", review.footer, name="footer"),
    path("campaigns/<int:campaign_id>/reader/", content.reader, name="reader"),
    path("campaigns/<int:campaign_id>/preview/", reading.preview, name="preview"),
    path("campaigns/<int:campaign_id>/review/", review.show, name="review"),
    path("campaigns/<int:campaign_id>/tests/", review.tests, name="tests"),
    path("campaigns/<int:campaign_id>/tests/send/", review.send_test, name="send_test"),
    path("campaigns/<int:campaign_id>/postal-address/", review.postal_address, name="postal_address"),
    path("campaigns/<int:campaign_id>/send/", review.send, name="send"),
    path("campaigns/<int:campaign_id>/pause/", moves.pause, name="pause"),
    path("campaigns/<int:campaign_id>/resume/", moves.resume, name="resume"),
    path("campaigns/<int:campaign_id>/cancel/", moves.cancel, name="cancel"),
    path("campaigns/<int:campaign_id>/unschedule/", moves.unschedule, name="unschedule"),
    path("campaigns/<int:campaign_id>/duplicate/", listing.duplicate, name="duplicate"),
    path("campaigns/<int:campaign_id>/delete/", listing.delete, name="delete"),
    path("templates/", templates.gallery, name="templates"),
    path("templates/new/", templates.new, name="template_new"),
    path("templates/designs/", templates.design, name="design"),
    path("templates/designs/preview/", templates.design_preview, name="design_preview"),
    path("templates/designs/use/", templates.design_use, name="design_use"),
    path("templates/designs/keep/", templates.design_keep, name="design_keep"),
    path("templates/<uuid:template_uuid>/", templates.edit, name="template"),
    path("templates/<uuid:template_uuid>/reader/", templates.reader, name="template_reader"),
    path("templates/<uuid:template_uuid>/preview/", templates.preview, name="template_preview"),
    path("templates/<uuid:template_uuid>/use/", templates.use, name="template_use"),
    path("templates/<uuid:template_uuid>/duplicate/", templates.duplicate, name="template_duplicate"),
    path("templates/<uuid:template_uuid>/delete/", templates.delete, name="template_delete"),
]
