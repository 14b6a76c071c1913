"""Pictures in: any source, read into one array, and batches of it."""
