"""What many tests need: sites, clients, pictures, models."""
