"""The kinds of transports behind one interface: an SMTP server, the local inbox, a provider's API."""
