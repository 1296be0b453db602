"""The door for programs: JSON by API key only, errors as problem details (RFC 9457)."""
