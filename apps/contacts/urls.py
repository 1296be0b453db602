"""Routes of the contacts app, all within a workspace."""

from django.urls import path

from apps.contacts.views import imports, lists, people, person, suppressed

app_name = "contacts"
urlpatterns = [
    path("contacts/", people.show, name="list"),
    path("contacts/add/", people.add, name="add"),
    path("contacts/change/", people.change, name="change"),
    path("contacts/undo/<uuid:bulkdeed_uuid>/", people.undo, name="undo"),
    path("contacts/export/", people.export, name="export"),
    path("contacts/<uuid:contact_uuid>/", person.detail, name="detail"),
    path("contacts/<uuid:contact_uuid>/edit/", person.edit, name="edit"),
    path("contacts/<uuid:contact_uuid>/note/", person.note, name="note"),
    path("contacts/<uuid:contact_uuid>/subscribe/", person.subscribe, name="subscribe"),
    path("contacts/<uuid:contact_uuid>/unsubscribe/", person.unsubscribe, name="unsubscribe"),
    path("contacts/<uuid:contact_uuid>/suppress/", person.suppress, name="suppress"),
    path("contacts/<uuid:contact_uuid>/delete/", person.delete, name="delete"),
    path("lists/", lists.show, name="lists"),
    path("lists/add/", lists.add, name="list_add"),
    path("lists/<uuid:contactlist_uuid>/", lists.edit, name="list_edit"),
    path("lists/<uuid:contactlist_uuid>/delete/", lists.delete, name="list_delete"),
    path("imports/", imports.show, name="imports"),
    path("imports/new/", imports.new, name="import_new"),
    path("imports/<uuid:importjob_uuid>/", imports.detail, name="import_detail"),
    path("imports/<uuid:importjob_uuid>/read-as/", imports.read_as, name="import_read_as"),
    path("imports/<uuid:importjob_uuid>/check/", imports.check, name="import_check"),
    path("imports/<uuid:importjob_uuid>/rethink/", imports.rethink, name="import_rethink"),
    path("imports/<uuid:importjob_uuid>/start/", imports.start, name="import_start"),
    path("imports/<uuid:importjob_uuid>/undo/", imports.undo, name="import_undo"),
    path("imports/<uuid:importjob_uuid>/cancel/", imports.cancel, name="import_cancel"),
    path("imports/<uuid:importjob_uuid>/rejects.csv", imports.rejects, name="import_rejects"),
    path("suppressed/", suppressed.show, name="suppressed"),
    path("suppressed/add/", suppressed.add, name="suppression_add"),
    path("suppressed/<int:suppression_id>/remove/", suppressed.remove, name="suppression_remove"),
]
