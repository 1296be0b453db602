"""Pages for people: home, errors, templates, components."""
