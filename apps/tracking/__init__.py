"""What came back: opens, clicks, unsubscribes."""
