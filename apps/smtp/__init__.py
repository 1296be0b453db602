"""How a letter travels: transports, connections, replies."""
