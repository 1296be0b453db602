"""The ground floor: clock, errors, jobs, tokens, addresses, secrets, health."""
