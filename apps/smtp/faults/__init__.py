"""An SMTP server that fails on purpose: the witness of the drill and of the tests. It carries nobody's mail."""
