"""What we say and to whom: content, audience, batches, deliveries."""
