"""What a trained model says of itself: its card, and the table that compares the models."""
