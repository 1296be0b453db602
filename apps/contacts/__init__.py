"""Who may be written to: people, lists, consent, suppression."""
