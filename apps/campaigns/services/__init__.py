"""What changes campaigns and deliveries."""
