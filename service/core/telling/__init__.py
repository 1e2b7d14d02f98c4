"""What subscribers read: notifications, progress, letters, and the cards that explain a failure."""
