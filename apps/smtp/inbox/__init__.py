"""The local inbox: a mail server of our own that keeps every letter and relays none."""
