"""What contacts does: people, lists, consent, suppression, imports."""
